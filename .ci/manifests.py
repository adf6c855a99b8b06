"""What the manifests of Kubernetes mean, checked without a cluster. Called by .ci/manifests.

Each way to render them is validated against the oldest and the newest Kubernetes that is meant, and
asked whether its parts fit each other. The chart must make what kustomize makes, and must refuse
values that are wrong. At the end the checks are checked: each has to complain of a store that is
broken for it.
"""

import copy
import functools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

import helm_python as helm
import kubernetes_validate
import yaml
from kubernetes_validate import utils

CHART = "deploy/helm/toystore"
KUBERNETES = ["1.30", "1.37"]
NAMESPACE = "toystore"
TIERS = ["catalog", "order", "frontend"]
# The same store, as kustomize and as the chart's values make it.
SAME = [
    ("base", {}),
    ("overlays/local", "deploy/helm/local.yaml"),
    ("overlays/production", "deploy/helm/production.yaml"),
    ("overlays/three-catalogs", {"catalog": {"replicas": 3}}),
]
# An overlay that is nobody's: the base with a component.
THREE_CATALOGS = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: toystore
resources: [../../base]
components: [../../components/catalog-replicas]
"""
EVERY_VALUE = """
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
settings: {invalidation: ttl=1500ms, restockInterval: 2m, cacheCapacity: 0, log: "info,wal=debug"}
catalog: {replicas: 5, separate: true}
orders: {replicas: 9, separate: true, storage: {class: fast}, resources: {limits: {cpu: 1}}}
frontends: {service: {type: LoadBalancer, port: 8080, seedPort: 8003, annotations: {a: b}}}
networkPolicy:
  shoppers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  metricsFrom: monitoring
nodeSelector: {disk: fast}
tolerations: [{key: toys, operator: Exists}]
"""
LITTLE = """
image: {pullSecrets: [mine]}
secret: {existing: mine}
settings: {replication: naive, timers: fast}
orders: {replicas: 1}
frontends: {min: 1, max: 1}
networkPolicy: {enabled: false}
"""
# Values, and what the refusal has to name.
WRONG = [
    ("orders: {replicas: 10}", "/orders/replicas"),
    ("orders: {replicas: 0}", "/orders/replicas"),
    ("orders: {replicas: '3'}", "/orders/replicas"),
    ("catalog: {replicas: 10}", "/catalog/replicas"),
    ("order: {replicas: 3}", "'order'"),
    ("settings: {invalidation: ttl=2}", "/settings/invalidation"),
    ("settings: {timers: slow}", "/settings/timers"),
    ("settings: {cacheCapacity: -1}", "/settings/cacheCapacity"),
    ("frontends: {max: 64}", "/frontends/max"),
    ("frontends: {min: 9}", "frontends.min is more than frontends.max"),
    ("catalog: {resources: {limits: {memory: lots}}}", "/catalog/resources/limits/memory"),
    ("image: {digest: 0.1.0}", "/image/digest"),
    ("client: {probability: 2}", "/client/probability"),
]


def kustomize(folder, root):
    command = [pathlib.Path(sys.prefix) / "bin/kubectl", "kustomize", root / folder]
    return load(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def chart(values):
    """What `helm install` would send, its test too."""
    with helm.Chart.load(CHART) as loaded:
        files = loaded.render(values, name=NAMESPACE, namespace=NAMESPACE)
    objects = [load(text) for name, text in files.items() if name.endswith(".yaml")]
    return [one for some in objects for one in some]


def load(text):
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def name_of(one):
    return f"{one['kind']} {one['metadata']['name']}"


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def pods(objects):
    """Each pod and pod template: its name, labels, spec."""
    found = []
    for one in of_kind(objects, "Deployment", "StatefulSet", "Pod"):
        pod = one if one["kind"] == "Pod" else one["spec"]["template"]
        found.append((name_of(one), pod["metadata"]["labels"], pod["spec"]))
    return found


def nodes(objects):
    return [pod for pod in pods(objects) if not pod[0].startswith("Pod ")]


def validate(objects):
    for one in objects:
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = "/".join(str(part) for part in error.path)
                yield f"{name_of(one)}: Kubernetes {version}: {path}: {error.message}"


def restricted(objects):
    """What the Pod Security level "restricted" asks for, and somewhat more."""
    for one in of_kind(objects, "ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"{name_of(one)} has a token"
    for name, _, spec in pods(objects):
        for field in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"]:
            if field in spec:
                yield f"{name}: {field}"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} has a token of its account"
        for volume in spec.get("volumes", []):
            if not {"secret", "configMap", "emptyDir"} & set(volume):
                yield f"{name}: volume {volume['name']} is of a kind that is not needed"
        for container in spec["containers"] + spec.get("initContainers", []):
            security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
            wanted = {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            for field, value in wanted.items():
                if security.get(field) != value:
                    yield f"{name}: {field} is {security.get(field)}, not {value}"
            for field in ["privileged", "procMount", "windowsOptions", "seLinuxOptions"]:
                if field in security:
                    yield f"{name}: {field}"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{name}: hostPort"


def probes(objects):
    wanted = {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    for name, _, spec in nodes(objects):
        for container in spec["containers"]:
            for kind, path in wanted.items():
                asked = container.get(f"{kind}Probe", {}).get("httpGet")
                if asked != {"path": path, "port": "http"}:
                    yield f"{name}: {kind} asks {asked}, not {path}"
            startup = container.get("startupProbe", {})
            if startup.get("periodSeconds", 0) * startup.get("failureThreshold", 0) < 600:
                yield f"{name}: startup has no patience with a long log or an absent catalog"


def settings(objects):
    """A variable that nothing reads would be no error anywhere else."""
    for name, _, spec in pods(objects):
        told = [one["name"] for one in spec["containers"][0].get("env", [])]
        yield from (f"{name}: nothing reads {one}" for one in told if one not in read_by_nodes())
    for one in of_kind(objects, "ConfigMap"):
        for told in one["data"].keys() - read_by_nodes():
            yield f"{name_of(one)}: nothing reads {told}"


@functools.cache
def read_by_nodes():
    sources = pathlib.Path("crates/toystore/src/command").rglob("*.rs")
    text = "".join(source.read_text() for source in sources)
    # The address of a pod goes into another variable.
    return set(re.findall(r'env(?: = |\()"(TOYSTORE_\w+)"', text)) | {"POD_IP"}


def selects(selector, labels):
    if set(selector) - {"matchLabels"}:
        raise ValueError(f"this check does not know {selector}")
    return selector.get("matchLabels", {}).items() <= labels.items()


def fits(objects, secret_exists=True):
    """Whatever one object says of another is so."""
    there = {name_of(one) for one in objects}
    labels = [labels for _, labels, _ in nodes(objects)]
    for name, _, spec in pods(objects):
        needed = [f"ServiceAccount {spec['serviceAccountName']}"]
        for container in spec["containers"]:
            maps = [source["configMapRef"]["name"] for source in container.get("envFrom", [])]
            needed += [f"ConfigMap {one}" for one in maps]
            mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        secrets = [v["secret"]["secretName"] for v in spec.get("volumes", []) if "secret" in v]
        needed += [f"Secret {secret}" for secret in secrets if secret_exists]
        yield from (f"{name} needs {one}" for one in needed if one not in there)
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        if name.startswith("StatefulSet"):
            volumes.add("data")
        if mounts != volumes:
            yield f"{name} mounts {sorted(mounts)}, of volumes {sorted(volumes)}"
    for one in of_kind(objects, "Deployment", "StatefulSet"):
        spec = one["spec"]
        own = spec["template"]["metadata"]["labels"]
        spread = spec["template"]["spec"].get("topologySpreadConstraints", [])
        for selector in [spec["selector"], *(rule["labelSelector"] for rule in spread)]:
            if not selector.get("matchLabels") or not selects(selector, own):
                yield f"{name_of(one)}: {selector} is not its pods"
    ports = {p["name"] for _, _, s in nodes(objects) for p in s["containers"][0]["ports"]}
    for one in of_kind(objects, "Service"):
        if not any(selects({"matchLabels": one["spec"]["selector"]}, own) for own in labels):
            yield f"{name_of(one)} selects no pod"
        yield from (
            f"{name_of(one)}: no pod has a port {port['targetPort']}"
            for port in one["spec"]["ports"]
            if port["targetPort"] not in ports
        )
    for one in of_kind(objects, "PodDisruptionBudget"):
        if not any(selects(one["spec"]["selector"], own) for own in labels):
            yield f"{name_of(one)} selects no pod"
    for one in of_kind(objects, "HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        if f"{target['kind']} {target['name']}" not in there:
            yield f"{name_of(one)} scales what is not there"
        # The catalog registers 64, and an update has one more.
        if one["spec"]["maxReplicas"] > 63:
            yield f"{name_of(one)}: more than the catalog registers"


def addresses(objects):
    """The nodes find each other under the names that their StatefulSets give them."""
    places = {}
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind(objects, "Service")}
    for one in of_kind(objects, "StatefulSet"):
        spec, name = one["spec"], one["metadata"]["name"]
        service = services.get(spec["serviceName"], {})
        if service.get("clusterIP") != "None" or not service.get("publishNotReadyAddresses"):
            yield f"StatefulSet {name}: its Service does not tell of each pod, ready or not"
        start = spec.get("ordinals", {}).get("start", 0)
        numbers = range(start, start + spec["replicas"])
        places[name] = {i: f"http://{name}-{i}.{spec['serviceName']}:8080" for i in numbers}
    [told] = [one["data"] for one in of_kind(objects, "ConfigMap")]
    numbered = {
        name: ",".join(f"{number}={url}" for number, url in pods_are.items())
        for name, pods_are in places.items()
    }
    alone = list(places["catalog"].values()) if len(places["catalog"]) == 1 else None
    right = {
        "TOYSTORE_ORDERS": numbered["order"],
        "TOYSTORE_CATALOG": alone[0] if alone else numbered["catalog"],
    }
    for name, pods_are in right.items():
        if told[name] != pods_are:
            yield f"{name} is {told[name]}, the pods are {pods_are}"


def matches(peer, namespace, labels):
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace}):
            return False
    elif namespace != NAMESPACE:
        return False
    return selects(peer.get("podSelector", {}), labels)


def opens(policies, me, direction, other, port):
    """Whether one end of a connection is open to the other."""
    (namespace, labels), way = me, {"Ingress": "from", "Egress": "to"}[direction]
    own = [p["spec"] for p in policies if direction in p["spec"]["policyTypes"]]
    own = [p for p in own if namespace == NAMESPACE and selects(p["podSelector"], labels)]
    rules = [rule for p in own for rule in p.get(direction.lower(), [])]
    rules = [rule for rule in rules if port in [p["port"] for p in rule["ports"]]]
    return not own or any(
        way not in rule or any(matches(peer, *other) for peer in rule[way]) for rule in rules
    )


def network(objects, strangers=True, metrics=False, catalogs=False):
    """Who may connect to whom: exactly those who have to."""
    policies = of_kind(objects, "NetworkPolicy")
    label = "app.kubernetes.io/"
    who = {
        tier: (NAMESPACE, {f"{label}name": "toystore", f"{label}component": tier})
        for tier in [*TIERS, "client"]
    }
    who["stranger"] = ("elsewhere", {})
    who["monitor"] = ("monitoring", {})
    who["names"] = ("kube-system", {"k8s-app": "kube-dns"})
    wanted = {
        ("catalog", "frontend"),
        ("order", "order"),
        ("order", "catalog"),
        ("frontend", "order"),
        ("frontend", "catalog"),
        ("client", "frontend"),
        ("monitor", "frontend"),
        ("order", "names"),
        ("frontend", "names"),
        ("client", "names"),
    }
    if strangers:
        wanted |= {("stranger", "frontend"), ("names", "frontend")}
    if catalogs:
        wanted |= {("catalog", "catalog"), ("catalog", "names")}
    if metrics:
        wanted |= {("monitor", tier) for tier in TIERS}
    asking = [*TIERS, "client", "stranger", "monitor", "names"]
    for a, b in [(a, b) for a in asking for b in [*TIERS, "names"] if (a, b) != ("names", "names")]:
        if a in ["stranger", "monitor"] and b == "names":
            continue
        port = 53 if b == "names" else 8080
        open_ = opens(policies, who[a], "Egress", who[b], port) and opens(
            policies, who[b], "Ingress", who[a], port
        )
        if open_ != ((a, b) in wanted):
            yield f"{a} {'reaches' if open_ else 'does not reach'} {b}"


def plain(one):
    """An object without what kustomize and Helm name and note differently."""
    text = yaml.safe_dump(one)
    # Kustomize ends names with a hash of what is inside.
    text = re.sub(r"\b(toystore|toystore-cluster-token)-[a-z0-9]{10}\b", r"\1", text)
    one = yaml.load(text, yaml.CSafeLoader)
    for part in [one, one.get("spec", {}).get("template", {})]:
        for field in ["annotations", "namespace"]:
            part.get("metadata", {}).pop(field, None)
    one["metadata"].pop("labels", None)
    for claim in one.get("spec", {}).get("volumeClaimTemplates", []):
        claim["metadata"].pop("labels", None)
    if one["kind"] == "Secret":
        one["data"] = sorted(one["data"])
    return one


def differences(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key), b.get(key), f"{path}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, pair in enumerate(zip(a, b)):
            yield from differences(*pair, f"{path}/{i}")
    elif a != b:
        yield f"{path}: kustomize has {a}, the chart {b}"


def compare(ours, charts):
    """The chart makes the same objects, to the last field; but not the namespace it is put into."""
    ours = {name_of(one): one for one in map(plain, ours) if one["kind"] != "Namespace"}
    hooks = [one for one in charts if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    charts = {name_of(one): one for one in map(plain, [c for c in charts if c not in hooks])}
    for name in sorted(ours.keys() | charts.keys()):
        # Where kustomize wants it to be there, the chart makes one.
        if name == "Secret toystore-cluster-token" and name not in ours:
            continue
        if name not in ours or name not in charts:
            yield f"{name}: only {'kustomize' if name in ours else 'the chart'} makes it"
        else:
            yield from (f"{name}{where}" for where in differences(ours[name], charts[name]))


def files():
    """What stands in several files, and must be the same."""
    cargo = tomllib.loads(pathlib.Path("Cargo.toml").read_text())
    version = cargo["workspace"]["package"]["version"]
    told = {
        f"{CHART}/Chart.yaml": lambda y: [y["version"], y["appVersion"]],
        "deploy/helm/production.yaml": lambda y: [y["image"]["tag"]],
        "deploy/kubernetes/overlays/production/kustomization.yaml": lambda y: [
            y["images"][0]["newTag"]
        ],
    }
    for file, versions in told.items():
        found = versions(yaml.load(pathlib.Path(file).read_text(), yaml.CSafeLoader))
        if set(found) != {version}:
            yield f"{file}: version {found}, Cargo.toml has {version}"
    values = pathlib.Path(f"{CHART}/values.yaml").read_text()
    shown = set(re.findall(r"TOYSTORE_\w+", " ".join(re.findall(r"\[(TOYSTORE_[^]]*)\]", values))))
    knobs = set(re.findall(r"^(TOYSTORE_\w+)=", pathlib.Path(".env").read_text(), re.M))
    yield from (f"values.yaml has no [{knob}], .env has" for knob in sorted(knobs - shown))
    yield from (f"values.yaml names {knob}, .env does not" for knob in sorted(shown - knobs))


def lint(values):
    for finding in helm.lint(CHART, values, strict=True, namespace=NAMESPACE)["messages"]:
        # Below are remarks: that an icon is missing.
        if finding["severity"] >= 2:
            yield f"helm lint: {finding['path']}: {finding['error']}"


def refusals():
    for text, named in WRONG:
        try:
            chart(load(text)[0])
            yield f"the chart takes {text}"
        except helm.HelmError as refusal:
            # The path is written with dots or slashes, as the library pleases.
            said = str(refusal)
            if named not in said and named.strip("/").replace("/", ".") not in said:
                yield f"the chart refuses {text} without naming {named}: {said}"


def spec_of(objects, name):
    [spec] = [spec for one, _, spec in pods(objects) if one == name]
    return spec


def broken():
    """One thing that is wrong, and who has to complain of it."""

    def container(o):
        return spec_of(o, "StatefulSet order")["containers"][0]

    def policy(o, name):
        return [p for p in of_kind(o, "NetworkPolicy") if p["metadata"]["name"] == name][0]["spec"]

    def only(o, kind):
        return of_kind(o, kind)[0]

    def budget_labels(o):
        return only(o, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]

    token = "automountServiceAccountToken"

    return [
        (validate, lambda o: only(o, "StatefulSet")["spec"].update(replicas="3")),
        (validate, lambda o: container(o).update(readynessProbe={})),
        (restricted, lambda o: container(o)["securityContext"].update(privileged=True)),
        (restricted, lambda o: container(o)["securityContext"].pop("capabilities")),
        (restricted, lambda o: spec_of(o, "StatefulSet order").update(hostNetwork=True)),
        (restricted, lambda o: spec_of(o, "Deployment frontend").pop("securityContext")),
        (restricted, lambda o: spec_of(o, "StatefulSet catalog").pop(token)),
        (restricted, lambda o: only(o, "ServiceAccount").pop(token)),
        (probes, lambda o: container(o)["livenessProbe"]["httpGet"].update(path="/health/ready")),
        (probes, lambda o: container(o).pop("startupProbe")),
        (probes, lambda o: container(o)["startupProbe"].update(failureThreshold=30)),
        (settings, lambda o: only(o, "ConfigMap")["data"].update(TOYSTORE_TIMER="fast")),
        (settings, lambda o: container(o)["env"].append({"name": "TOYSTORE_NUMBER", "value": "1"})),
        (fits, lambda o: o.remove(only(o, "ConfigMap"))),
        (fits, lambda o: only(o, "Service")["spec"]["selector"].update(a="b")),
        (fits, lambda o: budget_labels(o).update(a="b")),
        (fits, lambda o: only(o, "HorizontalPodAutoscaler")["spec"].update(maxReplicas=64)),
        (addresses, lambda o: of_kind(o, "StatefulSet")[1]["spec"].pop("ordinals")),
        (addresses, lambda o: of_kind(o, "StatefulSet")[1]["spec"].update(replicas=4)),
        (addresses, lambda o: of_kind(o, "Service")[2]["spec"].pop("publishNotReadyAddresses")),
        (network, lambda o: policy(o, "catalog").pop("egress")),
        (network, lambda o: policy(o, "order")["egress"].pop()),
        (network, lambda o: policy(o, "order").update(ingress=[{"ports": [{"port": 8080}]}])),
        (network, lambda o: o.remove(only(o, "NetworkPolicy"))),
    ]


def convictions(base):
    """A check that nothing can make complain shows nothing."""
    for number, (check, breaks) in enumerate(broken()):
        store = copy.deepcopy(base)
        breaks(store)
        kept = {"secret_exists": False} if check is fits else {}
        if not list(check(store, **kept)):
            yield f"{check.__name__} has nothing to say of broken store {number}"
    changed = copy.deepcopy(base)
    spec_of(changed, "Deployment frontend")["containers"][0]["env"].pop()
    if not list(compare(base, changed)):
        yield "compare sees no difference where a variable is missing"


def main():
    # The schemas are some megabytes, and would be read again for each object.
    utils.schema_contents = functools.cache(utils.schema_contents)
    complaints = list(files())
    ways = {}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "kubernetes"
        shutil.copytree("deploy/kubernetes", root)
        # Whoever applies it has put his own there.
        (root / "overlays/local/cluster-token").write_text("not a secret")
        (root / "overlays/three-catalogs").mkdir()
        (root / "overlays/three-catalogs/kustomization.yaml").write_text(THREE_CATALOGS)
        for path, values in SAME:
            if isinstance(values, str):
                values = load(pathlib.Path(values).read_text())[0]
            metrics = path == "overlays/production"
            edges = {"metrics": metrics, "catalogs": path == "overlays/three-catalogs"}
            ours, charts = kustomize(path, root), chart(values)
            ways[path] = ours, path == "overlays/local", edges
            ways[f"chart like {path}"] = charts, not metrics, edges
            complaints += lint(values)
            found = compare(ours, charts)
            complaints += [f"{path} and the chart differ: {difference}" for difference in found]
    for name, text, policies in [
        ("chart with every value", EVERY_VALUE, {"strangers": False, "metrics": True, "catalogs": True}),
        ("chart with little", LITTLE, None),
    ]:
        values = load(text)[0]
        ways[name] = chart(values), "secret" not in values, policies
        complaints += lint(values)
    for name, (objects, secret_exists, policies) in ways.items():
        found = []
        for check in [validate, restricted, probes, settings, addresses]:
            found += check(objects)
        found += fits(objects, secret_exists)
        if policies is not None:
            found += network(objects, **policies)
        complaints += [f"{name}: {complaint}" for complaint in found]
        print(f"{name}: {len(objects)} objects, {len(pods(objects))} kinds of pods")
    complaints += refusals()
    complaints += convictions(ways["base"][0])
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        sys.exit(1)
    print(f"wrong values: {len(WRONG)} refused; broken stores: {len(broken())} found")
    print(f"valid for Kubernetes {' and '.join(KUBERNETES)}; the chart makes what kustomize makes")


if __name__ == "__main__":
    main()
