"""The cluster files, as far as they can be judged without a cloud.

Ray's own schema, loader and scheduler judge them, EC2's own parameters, and a list of what they
must never say.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated import autoscaler_pb2

from raycl.cluster.capacity import scaled_capacity
from raycl.cluster.worker_needs import WorkerNeeds
from tests.helpers.paths import ROOT

CLUSTERS = ["cluster.yaml", "cluster-cpu.yaml"]
MANIFESTS = ["kubernetes/raycluster.yaml", "kubernetes/rayjob.yaml"]
PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*>")
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
)


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def config(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load(read(file)))


def workers(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = data["available_node_types"]
    return {name: entry for name, entry in types.items() if name != data["head_node_type"]}


def strings(data: Any) -> list[str]:
    """All keys and values of a document that are text."""
    if isinstance(data, dict):
        return [text for pair in data.items() for part in pair for text in strings(part)]
    if isinstance(data, list):
        return [text for part in data for text in strings(part)]
    return [data] if isinstance(data, str) else []


# All of them


@pytest.mark.parametrize("file", [*CLUSTERS, *MANIFESTS])
def test_every_placeholder_is_named_and_every_named_one_used(file: str) -> None:
    documents = list(yaml.safe_load_all(read(file)))
    used = {name for text in strings(documents) for name in PLACEHOLDER.findall(text)}
    assert used
    assert used == set(re.findall(r"^#   (<[A-Z_]+>) +\S", read(file), re.MULTILINE))


@pytest.mark.parametrize("file", ["cluster/iam-policy.json", "cluster/iam-head.json"])
def test_placeholders_of_policies_are_explained(file: str) -> None:
    explained = set(PLACEHOLDER.findall(read("docs/clusters.md") + read("cluster.yaml")))
    assert set(PLACEHOLDER.findall(read(file))) <= explained


@pytest.mark.parametrize("file", [*CLUSTERS, *MANIFESTS, "Dockerfile"])
def test_no_secret_is_written_down(file: str) -> None:
    assert not re.search(r"AKIA|aws_secret|SECRET_ACCESS_KEY|RAY_AUTH_TOKEN\b", read(file), re.I)


# AWS


@pytest.mark.parametrize("file", CLUSTERS)
def test_rays_own_loader_and_schema_accept_it(file: str) -> None:
    prepared = prepare_config(config(file))
    validate_config(prepared)
    assert set(prepared["available_node_types"]) == set(config(file)["available_node_types"])
    commands = [*prepared["head_setup_commands"], *prepared["worker_setup_commands"]]
    assert not [c for c in commands if "ray-wheels" in c or "anaconda" in c]  # Ray's defaults


@pytest.mark.parametrize("file", CLUSTERS)
def test_rays_schema_finds_mistakes(file: str) -> None:
    for change in ({"idle_timeout": 5}, {"max_workers": "many"}, {"head_node_type": "nosuch"}):
        with pytest.raises(Exception, match=r"idle_timeout|many|head_node_type"):
            validate_config(prepare_config({**config(file), **change}))


@pytest.mark.parametrize("file", CLUSTERS)
def test_the_head_trains_nothing_and_workers_come_and_go(file: str) -> None:
    data = config(file)
    head = data["available_node_types"][data["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert "--num-cpus=0" in data["head_start_ray_commands"][-1]
    assert all(entry["min_workers"] == 0 for entry in workers(data).values())
    assert 1 <= data["idle_timeout_minutes"] <= 15
    assert data["provider"]["cache_stopped_nodes"] is False


def launched(file: str, bundle: dict[str, float], unavailable: str = "") -> list[str]:
    """The kinds of machine that Ray's scheduler asks for, for one request."""
    data = config(file)
    data["auth"] = {**data["auth"], "ssh_private_key": str(ROOT / "README.md")}  # hashed only
    kinds = AutoscalingConfig(data, skip_content_hash=True).get_node_type_configs()
    messages: Any = autoscaler_pb2  # generated, without types
    demand = messages.ResourceRequestByCount(request=ResourceRequestUtil.make(bundle), count=1)
    scores = {name: 0.0 if name == unavailable else 1.0 for name in kinds}
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=kinds,
            max_num_nodes=16,
            resource_requests=[demand],
            recoverable_resource_availabilities=scores,
        )
    )
    return [request.instance_type for request in reply.to_launch if request.instance_type != "head"]


def test_a_gpu_comes_from_the_spot_market_and_on_demand_where_that_is_empty() -> None:
    gpu = {"CPU": 1.0, "GPU": 1.0}
    assert launched("cluster.yaml", gpu) == ["gpu-spot"]
    assert launched("cluster.yaml", gpu, "gpu-spot") == ["gpu-on-demand"]
    assert launched("cluster.yaml", {"CPU": 1.0}) == ["cpu-spot"]  # preparing takes no GPU
    assert launched("cluster.yaml", gpu | {"accelerator_type:H100": 0.001}) == ["host-8xh100"]
    assert launched("cluster-cpu.yaml", {"CPU": 1.0}) == ["cpu-spot"]
    assert launched("cluster-cpu.yaml", {"CPU": 1.0}, "cpu-spot") == ["cpu-on-demand"]
    assert launched("cluster-cpu.yaml", gpu) == []


def test_whole_hosts_come_for_eight_workers_and_are_known_to_hold_no_more() -> None:
    capacity = scaled_capacity(config("cluster.yaml"))
    assert capacity.workers(WorkerNeeds(True, "H100")) == 16
    assert capacity.workers(WorkerNeeds(True)) == 2 * 8 + 14  # 16 machines
    assert capacity.workers(WorkerNeeds(True, "A100")) == 0


@pytest.mark.parametrize("file", CLUSTERS)
def test_every_spot_kind_of_gpu_or_cpu_has_its_market(file: str) -> None:
    for name, entry in workers(config(file)).items():
        options = entry["node_config"].get("InstanceMarketOptions")
        assert options == ({"MarketType": "spot"} if name.endswith("spot") else None)


@pytest.mark.parametrize("file", CLUSTERS)
def test_nothing_is_open_to_the_internet(file: str) -> None:
    data = config(file)
    assert data["provider"]["use_internal_ips"] is True
    # Without groups of one's own, Ray makes one that lets the world reach port 22.
    for entry in data["available_node_types"].values():
        interfaces = entry["node_config"].get("NetworkInterfaces", [entry["node_config"]])
        assert all(i.get("Groups") or i.get("SecurityGroupIds") for i in interfaces)
        assert not [i for i in interfaces if i.get("AssociatePublicIpAddress")]
    assert "security_group" not in data["provider"]
    assert data["auth"]["ssh_proxy_use_node_id"] is True
    assert data["auth"]["ssh_proxy_command"].startswith("aws ssm start-session")
    head = data["head_start_ray_commands"][-1]
    assert "--dashboard-host=127.0.0.1" in head
    assert "0.0.0.0" not in read(file)
    for entry in data["available_node_types"].values():
        assert entry["node_config"]["MetadataOptions"]["HttpTokens"] == "required"
        assert all(d["Ebs"]["Encrypted"] for d in entry["node_config"]["BlockDeviceMappings"])


@pytest.mark.parametrize("file", CLUSTERS)
def test_every_ray_starts_with_token_authentication(file: str) -> None:
    data = config(file)
    starts = [
        c
        for c in [*data["head_start_ray_commands"], *data["worker_start_ray_commands"]]
        if "ray start" in c
    ]
    assert len(starts) == 2
    assert all("export RAY_AUTH_MODE=token" in command for command in starts)
    homes = {"cluster.yaml": "/home/ray", "cluster-cpu.yaml": "/home/ubuntu"}
    assert data["file_mounts"][f"{homes[file]}/.ray/auth_token"] == "~/.ray/auth_token"


def test_the_mounted_files_exist_and_hold_no_whole_folder() -> None:
    mounts = config("cluster-cpu.yaml")["file_mounts"]
    local = [path for path in mounts.values() if not path.startswith("~")]
    assert "." not in local
    assert all((ROOT / path).exists() for path in local)
    assert "docker" not in config("cluster-cpu.yaml")


def test_versions_are_pinned() -> None:
    assert re.search(r"@sha256:<IMAGE_DIGEST>$", config("cluster.yaml")["docker"]["image"])
    installs = [c for c in config("cluster-cpu.yaml")["setup_commands"] if "pip install" in c]
    assert len(installs) == 2
    assert all("-c ~/raycl/constraints.txt" in command for command in installs)
    for line in read("cluster/aws-requirements.txt").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9-]+==[0-9a-z.]+", line)
    assert {"torch", "ray"} <= set(PINS)


@pytest.mark.parametrize("file", CLUSTERS)
def test_ec2_knows_every_parameter(file: str) -> None:
    """By botocore's own description of RunInstances, with what Ray adds."""
    session = pytest.importorskip("botocore.session").get_session()
    from botocore.validate import ParamValidator

    shape = session.get_service_model("ec2").operation_model("RunInstances").input_shape
    for entry in config(file)["available_node_types"].values():
        parameters = dict(entry["node_config"])
        parameters |= {"MinCount": 1, "MaxCount": 1}
        if "SubnetIds" in parameters:
            parameters["SubnetId"] = parameters.pop("SubnetIds")[0]
        report = ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        wrong = ParamValidator().validate({**parameters, "Spot": 1}, shape)
        assert wrong.has_errors()


# Policies


def statements(file: str) -> list[dict[str, Any]]:
    document = json.loads(read(file))
    assert document["Version"] == "2012-10-17"
    found = list(document["Statement"])
    assert len({entry["Sid"] for entry in found}) == len(found)
    assert all(entry["Effect"] == "Allow" for entry in found)
    return found


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_the_bucket_policy_opens_one_bucket_and_no_more() -> None:
    for entry in statements("cluster/iam-policy.json"):
        for resource in listed(entry["Resource"]):
            assert re.fullmatch(r"arn:aws:s3:::<BUCKET>(/\*)?", resource)
        for action in listed(entry["Action"]):
            assert re.fullmatch(r"s3:(List|Get|Put|Delete|Abort)[A-Za-z]+", action), action
            assert action not in ("s3:DeleteBucket", "s3:PutBucketPolicy", "s3:PutObjectAcl")
            on_objects = "Object" in action or action.endswith("UploadParts") or "Abort" in action
            assert on_objects == entry["Resource"].endswith("/*"), action


def test_the_head_touches_machines_of_its_clusters_alone() -> None:
    names = {config(file)["cluster_name"] for file in CLUSTERS}
    for entry in statements("cluster/iam-head.json"):
        actions = listed(entry["Action"])
        assert all("*" not in action for action in actions)
        if entry["Resource"] == "*":
            assert all(action.startswith("ec2:Describe") for action in actions)
            continue
        condition = entry.get("Condition", {}).get("StringEquals", {})
        tags = [v for key, v in condition.items() if key.endswith("Tag/ray-cluster-name")]
        if "ec2:TerminateInstances" in actions:
            assert [set(listed(tag)) for tag in tags] == [names]
        if any(":instance/" in resource for resource in listed(entry["Resource"])):
            assert condition, entry["Sid"]
        if "iam:PassRole" in actions:
            assert condition == {"iam:PassedToService": "ec2.amazonaws.com"}


# Kubernetes and the image


def cluster_spec(file: str) -> dict[str, Any]:
    kinds = {d["kind"]: d for d in yaml.safe_load_all(read(file))}
    if "RayJob" in kinds:
        return dict(kinds["RayJob"]["spec"]["rayClusterSpec"])
    return dict(kinds["RayCluster"]["spec"])


def pods(spec: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


@pytest.mark.parametrize("file", MANIFESTS)
def test_pods_have_no_privileges(file: str) -> None:
    spec = cluster_spec(file)
    for pod in pods(spec):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not [volume for volume in pod.get("volumes", []) if "hostPath" in volume]
        contexts = [container["securityContext"] for container in pod["containers"]]
        for context in [*contexts, spec["autoscalerOptions"]["securityContext"]]:
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.get("privileged")
    assert all(
        p["serviceAccountName"] == "raycl-worker" and not p["automountServiceAccountToken"]
        for p in pods(spec)[1:]
    )


@pytest.mark.parametrize("file", MANIFESTS)
def test_nothing_is_published_and_the_token_comes_from_a_secret(file: str) -> None:
    for kind in ("LoadBalancer", "NodePort", "Ingress\n", "hostPort"):
        assert kind not in read(file).replace("policyTypes: [Ingress]", "")
    spec = cluster_spec(file)
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert spec["authOptions"] == {"mode": "token", "secretName": "raycl-token"}
    kinds = [document["kind"] for document in yaml.safe_load_all(read(file))]
    assert "Secret" not in kinds


@pytest.mark.parametrize("file", MANIFESTS)
def test_what_kuberay_asks_of_a_scaling_cluster(file: str) -> None:
    spec = cluster_spec(file)
    assert spec["rayVersion"] == PINS["ray"]
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"  # the one that knows priorities
    assert 60 <= spec["autoscalerOptions"]["idleTimeoutSeconds"] <= 900
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert all(pod["restartPolicy"] == "Never" for pod in pods(spec))  # v2 wants it
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]
        assert "num-cpus" not in group["rayStartParams"]  # said by the container's resources
        for container in group["template"]["spec"]["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
    priorities = {group["groupName"]: group["priority"] for group in spec["workerGroupSpecs"]}
    assert priorities["gpu-spot"] > priorities["gpu-on-demand"] > priorities["host-8xh100"]


@pytest.mark.parametrize("file", MANIFESTS)
def test_a_whole_host_has_its_gpus_in_one_pod_and_shared_memory_for_nccl(file: str) -> None:
    groups = {group["groupName"]: group for group in cluster_spec(file)["workerGroupSpecs"]}
    pod = groups["host-8xh100"]["template"]["spec"]
    asked = pod["containers"][0]["resources"]["limits"]
    (volume,) = pod["volumes"]
    assert asked["nvidia.com/gpu"] == "8"
    assert int(asked["cpu"]) >= 8  # one for each worker
    assert volume["emptyDir"]["medium"] == "Memory"
    # Shared memory counts as the container's, so that it has to have room beside the rest.
    shared = int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi"))
    assert 64 <= shared < int(asked["memory"].removesuffix("Gi")) / 2


def test_a_job_has_the_cluster_of_the_standing_one() -> None:
    standing, of_job = (cluster_spec(file) for file in MANIFESTS)
    head = of_job["headGroupSpec"]["template"]["spec"]
    assert head.pop("volumes") == [{"name": "recipe", "configMap": {"name": "raycl-recipe"}}]
    head["containers"][0].pop("volumeMounts")
    assert of_job == standing


def test_the_job_runs_an_entry_point_that_exists_and_is_tried_again() -> None:
    job = next(yaml.safe_load_all(read("kubernetes/rayjob.yaml")))["spec"]
    module = re.match(r"python -m jobs\.(\w+) ", job["entrypoint"])
    assert module is not None
    assert (ROOT / f"jobs/{module[1]}.py").exists()
    assert job["backoffLimit"] > 0
    assert job["shutdownAfterJobFinishes"] is True


def test_the_image_is_pinned_and_has_a_user_of_its_own() -> None:
    text = read("Dockerfile")
    instructions = re.sub(r"\\\n", " ", text)
    installs = re.findall(r"pip install [^&\n]*", instructions)
    assert len(installs) == 4
    assert all("-c constraints.txt" in i or "aws-requirements.txt" in i for i in installs)
    assert re.search(r"^USER 1000$", text, re.MULTILINE)
    assert text.rindex("USER 1000") > text.rindex("RUN ")
    assert "useradd --uid 1000" in text
    stages = [r"python:3\.11-slim-\w+ AS base", "base AS efa"]
    assert re.findall(r"^FROM (.*)$", text, re.MULTILINE) == [
        re.search(stage, text)[0]  # type: ignore[index]
        for stage in stages
    ]
    assert " gcc libc6-dev " in instructions  # Triton compiles with it, and finds it in PATH
    assert not re.search(r"(?<!#)^\s*(ADD|EXPOSE) |sudo|chmod 777", text, re.MULTILINE)
    copied = {
        word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()
    }
    assert all((ROOT / word).exists() for word in copied)
    allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert allowed == copied
    assert read(".dockerignore").splitlines()[0] == "*"
