# The image of every node, on AWS and on Kubernetes. With CUDA's torch:
#   docker build --target base -t raycl .
# and without, a third of the size:
#   docker build --target base -t raycl-cpu \
#     --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
# For hosts of eight GPUs, with flash-attn and the libraries of EFA:
#   docker build --target efa -t raycl-efa --build-arg FLASH_ATTENTION=https://… .
FROM python:3.11-slim-bookworm AS base

# Ray's cluster launcher copies files with rsync and ssh, KubeRay asks for health with wget. Triton
# compiles the launcher of each kernel with gcc, against glibc's headers.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    openssh-client rsync wget procps gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home --shell /bin/bash ray \
 && install -d -o ray -g ray -m 700 /home/ray/.ray

WORKDIR /home/ray/raycl
ARG TORCH_INDEX=https://pypi.org/simple
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt --index-url ${TORCH_INDEX} torch
COPY pyproject.toml setup.py README.md LICENSE ./
COPY raycl ./raycl
COPY configs ./configs
COPY jobs ./jobs
COPY cluster ./cluster
RUN pip install --no-cache-dir -c constraints.txt -e . \
 && pip install --no-cache-dir -r cluster/aws-requirements.txt

USER 1000
WORKDIR /home/ray
# PYTHONPATH lets `python -m jobs.sweep` run from any folder. Token authentication is on by default,
# so that no cluster starts without a token by mistake.
ENV PYTHONPATH=/home/ray/raycl PYTHONUNBUFFERED=1 RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

# EFA's installer brings libfabric and NCCL's plugin for it, below /opt/amazon. The kernel's part is
# the host's. flash-attn is a wheel for this torch, CUDA and Python, from its releases on GitHub;
# where there is none, pip would compile for hours, which `--only-binary` forbids.
FROM base AS efa
ARG EFA_INSTALLER=1.43.2
ARG FLASH_ATTENTION
USER root
WORKDIR /home/ray/raycl
RUN apt-get update \
 && wget -q https://efa-installer.amazonaws.com/aws-efa-installer-${EFA_INSTALLER}.tar.gz \
 && tar -xf aws-efa-installer-${EFA_INSTALLER}.tar.gz \
 && (cd aws-efa-installer && ./efa_installer.sh -y --skip-kmod --skip-limit-conf --no-verify) \
 && rm -rf aws-efa-installer* /var/lib/apt/lists/*
RUN pip install --no-cache-dir -c constraints.txt --only-binary :all: ${FLASH_ATTENTION}
USER 1000
WORKDIR /home/ray
ENV LD_LIBRARY_PATH=/opt/amazon/ofi-nccl/lib/x86_64-linux-gnu:/opt/amazon/ofi-nccl/lib:\
/opt/amazon/efa/lib FI_PROVIDER=efa
