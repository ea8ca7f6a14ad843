# The image of every node, on AWS and on Kubernetes. With CUDA's torch:
#   docker build -t raycl .
# and without, a third of the size:
#   docker build -t raycl-cpu --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
FROM python:3.11-slim-bookworm

# Ray's cluster launcher copies files with rsync and ssh, KubeRay asks for health with wget.
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-client rsync wget procps \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home --shell /bin/bash ray \
 && install -d -o ray -g ray -m 700 /home/ray/.ray

WORKDIR /home/ray/raycl
ARG TORCH_INDEX=https://pypi.org/simple
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt --index-url ${TORCH_INDEX} torch
COPY pyproject.toml README.md LICENSE ./
COPY raycl ./raycl
COPY jobs ./jobs
COPY cluster ./cluster
RUN pip install --no-cache-dir -c constraints.txt -e . \
 && pip install --no-cache-dir -r cluster/aws-requirements.txt

USER 1000
WORKDIR /home/ray
# PYTHONPATH lets `python -m jobs.sweep` run from any folder. Token authentication is on by default,
# so that no cluster starts without a token by mistake.
ENV PYTHONPATH=/home/ray/raycl PYTHONUNBUFFERED=1 RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
