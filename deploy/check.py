"""What deploy/check asks of the files themselves. Each command prints what is wrong and ends with 1, or prints nothing and ends with 0.

  parse               every YAML and JSON file can be read, and no key is twice in a mapping
  alerts              each alert has severity and texts, a test that fires and one that does not, a place in runbook and table;
                      each shipped rule has an alert that its matcher fits
  metrics             alert rules about selfheal and the dashboard use metrics that the code has
  queries             prints the dashboard's queries as a rules file, for promtool
  rules               the ConfigMap of rules has every shipped rule
  rights              the chart grants the same rights as the base
  values              the chart's values fit its schema
  compose FILE        images are pinned, services are confined, what they refer to is there
  manifests FILE      rendered manifests: references, rights, confinement
  configuration FILE  prints the selfheal.yaml of rendered manifests
  drift BASE CHART    both, rendered, make the same: pod, policies, configuration
"""

import json
import pathlib
import re
import sys

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent
ROOT = DEPLOY.parent
DASHBOARD = DEPLOY / "grafana/selfheal.json"

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


class Strict(yaml.SafeLoader):
    """Refuses a key that is twice in one mapping, of which YAML readers silently take the last."""


def strict_mapping(loader, node, deep=False):
    keys = [loader.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"{node.start_mark}: the key {key!r} is there twice")
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, strict_mapping)


def documents(path):
    # Places that a script fills in are as good as filled in.
    text = re.sub(r"@[A-Z_]+@", "1", path.read_text())
    return [document for document in yaml.load_all(text, Strict) if document is not None]


def parse():
    for path in sorted(DEPLOY.rglob("*")):
        # Templates are YAML only when they are rendered.
        if path.is_dir() or "templates" in path.parts or "secrets" in path.parts:
            continue
        try:
            if path.suffix in (".yaml", ".yml"):
                documents(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except (yaml.YAMLError, ValueError) as error:
            fault(path.relative_to(ROOT), error)


def alert_rules():
    for path in sorted(DEPLOY.glob("prometheus/*.rules.yaml")):
        for group in documents(path)[0]["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield path, rule


def alerts():
    fires, rests = set(), set()
    for path in DEPLOY.glob("prometheus/*.test.yaml"):
        for test in documents(path)[0]["tests"]:
            for case in test["alert_rule_test"]:
                (fires if case["exp_alerts"] else rests).add(case["alertname"])
    anchors = {
        "#" + heading.lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", (DEPLOY / "prometheus/runbook.md").read_text(), re.M)
    }
    table = (DEPLOY / "prometheus/README.md").read_text()
    names = []
    for path, rule in alert_rules():
        name = rule["alert"]
        names.append(name)
        if rule.get("labels", {}).get("severity") not in ("critical", "high", "warning"):
            fault(path.name, f"{name} needs the label severity: critical, high or warning")
        if name.endswith("Warning") and rule["labels"]["severity"] != "warning":
            fault(path.name, f"{name} is a warning by name and not by severity")
        notes = rule.get("annotations", {})
        if not notes.get("summary"):
            fault(path.name, f"{name} needs a summary")
        file, _, anchor = notes.get("runbook", "").partition("#")
        if file != "deploy/prometheus/runbook.md" or "#" + anchor not in anchors:
            fault(path.name, f"{name}: there is no {notes.get('runbook')!r}")
        if name not in fires:
            fault(path.name, f"no test lets {name} fire")
        if name not in rests:
            fault(path.name, f"no test shows when {name} does not fire")
        if path.name != "selfheal.rules.yaml" and f"`{name}`" not in table:
            fault(path.name, f"{name} is not in the table of deploy/prometheus/README.md")
    # Rules and alerts meet in the name alone.
    for path in sorted((ROOT / "rules").glob("*.rhai")):
        for operator, text in re.findall(r'alertname(=~?)"([^"]+)"', path.read_text()):
            if not any(re.fullmatch(text, name) if operator == "=~" else text == name for name in names):
                fault(f"rules/{path.name}", f"no alert of deploy/prometheus has a name that fits {operator}{text}")
    for name in fires | rests:
        if name not in names:
            fault("tests", f"there is no alert {name}")
    for name in names:
        if names.count(name) > 1:
            fault("rules", f"the alert {name} is there twice")


def known_metrics():
    """The names in the code."""
    text = (ROOT / "engine/runtime/src/metrics.rs").read_text()
    names = {"self_healing_" + name for name in re.findall(r'make\s*\.\w+\(\s*"(\w+)"', text)}
    for path in (ROOT / "engine").rglob("*.rs"):
        names.update(re.findall(r'"((?:self_healing|process)_\w+)"', path.read_text()))
    histograms = {"self_healing_" + name for name in re.findall(r'make\s*\.histograms?\(\s*"(\w+)"', text)}
    for name in histograms:
        names.update(name + ending for ending in ("_bucket", "_sum", "_count"))
    return names


def dashboard_queries():
    """All queries with the panel they are of."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for note in board["annotations"]["list"]:
        yield note["name"], note["expr"]


def metrics():
    known = known_metrics()
    if len(known) < 20:
        fault("engine/runtime/src/metrics.rs", "its metrics cannot be found in the text any more; mend known_metrics() in deploy/check.py")
    used = [(f"dashboard, {panel}", query) for panel, query in dashboard_queries()]
    for group in documents(DEPLOY / "prometheus/selfheal.rules.yaml")[0]["groups"]:
        used += [(rule.get("alert") or rule["record"], rule["expr"]) for rule in group["rules"]]
    for where, query in used:
        for name in re.findall(r"\b(?:self_healing|process)_\w+", query):
            if name not in known:
                fault(where, f"selfheal has no metric {name}")


def queries():
    rules = []
    for number, (_, query) in enumerate(dashboard_queries()):
        query = query.replace("$__rate_interval", "5m").replace("$cluster", ".*").replace("$instance", ".*")
        if "$" in query:
            fault(DASHBOARD.name, f"an unknown variable in {query}")
        rules.append({"record": f"dashboard:query:{number}", "expr": query})
    print(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))


def rules():
    listed = documents(ROOT / "rules/kustomization.yaml")[0]["configMapGenerator"][0]["files"]
    there = sorted(path.name for path in (ROOT / "rules").glob("*.rhai"))
    for name in sorted(set(there) ^ set(listed)):
        fault("rules/kustomization.yaml", f"{name} is {'missing' if name in there else 'listed and not there'}")


def rights_agree():
    base = next(d for d in documents(DEPLOY / "kubernetes/base/rbac.yaml") if d["kind"] == "ClusterRole")
    if documents(DEPLOY / "helm/selfheal/values.yaml")[0]["rbac"]["rules"] != base["rules"]:
        fault("helm/selfheal/values.yaml", "rbac.rules are not the rules of kubernetes/base/rbac.yaml: make them the same")


def values():
    import jsonschema

    chart = DEPLOY / "helm/selfheal"
    schema = json.loads((chart / "values.schema.json").read_text())
    default = documents(chart / "values.yaml")[0]
    full = {**default, **documents(chart / "ci/full-values.yaml")[0]}
    jsonschema.Draft7Validator.check_schema(schema)
    for what, document in (("values.yaml", default), ("ci/full-values.yaml", full)):
        for error in jsonschema.Draft7Validator(schema).iter_errors(document):
            fault(what, f"{'.'.join(map(str, error.absolute_path))}: {error.message}")
    wrong = [
        {"mode": "yolo"},
        {"image": {"repository": "a", "tag": "latest"}},
        {"replicas": 0},
        {"persistence": {"size": "ten"}},
        {"rules": {"My-Rule": ""}},
    ]
    for change in wrong:
        if jsonschema.Draft7Validator(schema).is_valid({**default, **change}):
            fault("values.schema.json", f"takes {change}")
    for key in default:
        if key not in schema["properties"]:
            fault("values.schema.json", f"does not know {key}")


def pinned(where, image):
    name, _, tag = image.rpartition(":")
    if "@sha256:" in image:
        return
    if not name or "/" in tag or tag == "latest":
        fault(where, f"the image {image} needs a tag that says which version it is")


def compose(path):
    composition = documents(path)[0]
    secrets, volumes = composition.get("secrets", {}), composition.get("volumes", {})
    for name, service in composition["services"].items():
        pinned(name, service["image"])
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            fault(name, "needs read_only: true and cap_drop: [ALL]")
        for secret in service.get("secrets", []):
            if secret not in secrets:
                fault(name, f"there is no secret {secret}")
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                fault(name, f"the port {port} is open to other machines")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (path.parent / source).exists():
                    fault(name, f"there is no {source}")
            elif source not in volumes:
                fault(name, f"there is no volume {source}")
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy" and "healthcheck" not in composition["services"][needed]:
                fault(name, f"waits for {needed} to be healthy, which has no health check")
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASS|TOKEN|SECRET", key) and not str(value).startswith("/run/secrets/"):
                fault(name, f"{key} is a secret in the environment")


def pod_of(document):
    """The labels and the specification of the pods that a manifest makes."""
    if document["kind"] == "Pod":
        return document["metadata"].get("labels", {}), document["spec"]
    template = document.get("spec", {}).get("template")
    return (template["metadata"]["labels"], template["spec"]) if template else None


def fits(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


def confined(where, kind, spec):
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        fault(where, "the pod needs runAsNonRoot and runAsUser")
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        fault(where, "the pod needs seccompProfile RuntimeDefault")
    for container in spec["containers"] + spec.get("initContainers", []):
        its = container.get("securityContext", {})
        expected = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        for key, value in expected.items():
            if its.get(key) != value:
                fault(where, f"{container['name']} needs {key}: {value}")
        pinned(where, container["image"])
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
            fault(where, f"{container['name']} needs requests of cpu and memory and a limit of memory")
        if kind != "Pod" and not {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container):
            fault(where, f"{container['name']} needs all three probes")


def rights(where, rules):
    for rule in rules:
        if "*" in rule["resources"] + rule["verbs"] + rule["apiGroups"]:
            fault(where, "a right for everything")
        if "secrets" in rule["resources"]:
            fault(where, "a right to secrets")
        if {"delete", "deletecollection"} & set(rule["verbs"]) and {"pods"} & set(rule["resources"]):
            fault(where, "a right to delete pods")


def manifests(path):
    everything = documents(path)
    there = {(document["kind"], document["metadata"]["name"]) for document in everything}
    pods = [(document, *pod_of(document)) for document in everything if pod_of(document)]
    for document in everything:
        where, spec = f"{document['kind']} {document['metadata']['name']}", document.get("spec", {})
        match document["kind"]:
            case "Service" | "PodDisruptionBudget" | "NetworkPolicy":
                selector = spec.get("podSelector", spec.get("selector"))
                selector = selector.get("matchLabels", selector)
                chosen = [its for _, labels, its in pods if fits(selector, labels)]
                if len(chosen) != 1:
                    fault(where, f"selects {len(chosen)} of the pods that are made here; expected 1")
                for port in spec.get("ports", []) if chosen else []:
                    named = [its["name"] for container in chosen[0]["containers"] for its in container["ports"]]
                    if port["targetPort"] not in named:
                        fault(where, f"there is no port {port['targetPort']}")
            case "ServiceMonitor":
                services = [d for d in everything if d["kind"] == "Service"]
                if not any(fits(spec["selector"]["matchLabels"], d["metadata"].get("labels", {})) for d in services):
                    fault(where, "selects no service")
            case "Role" | "ClusterRole":
                rights(where, document["rules"])
            case "RoleBinding" | "ClusterRoleBinding":
                if (document["roleRef"]["kind"], document["roleRef"]["name"]) not in there:
                    fault(where, "binds a role that is not there")
                for subject in document["subjects"]:
                    if (subject["kind"], subject["name"]) not in there:
                        fault(where, f"binds {subject['name']}, which is not there")
            case "Secret":
                fault(where, "secrets do not belong into files")
    for document, labels, spec in pods:
        where = f"{document['kind']} {document['metadata']['name']}"
        confined(where, document["kind"], spec)
        if document["kind"] != "Pod" and not fits(document["spec"]["selector"]["matchLabels"], labels):
            fault(where, "does not select its own pods")
        account = spec.get("serviceAccountName")
        if account and ("ServiceAccount", account) not in there:
            fault(where, f"there is no service account {account}")
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
        for volume in spec.get("volumes", []):
            if "configMap" in volume and ("ConfigMap", volume["configMap"]["name"]) not in there:
                fault(where, f"there is no ConfigMap {volume['configMap']['name']}")
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    fault(where, f"there is no volume {mount['name']}")
    if not pods:
        fault(path.name, "makes no pods")


def configuration_of(everything):
    return next(d["data"]["selfheal.yaml"] for d in everything if "selfheal.yaml" in d.get("data", {}))


def print_configuration(path):
    print(configuration_of(documents(path)), end="")


def compared(everything):
    """What the base and the chart have in common, without what has to differ: names, labels, where the mode and the rules come from."""
    kinds = {document["kind"]: document for document in everything if document["kind"] != "ConfigMap"}
    stateful, policy = kinds["StatefulSet"]["spec"], kinds["NetworkPolicy"]["spec"]
    pod = stateful["template"]["spec"]
    for volume in pod["volumes"]:
        volume.get("configMap", {}).pop("name", None)
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "rules"]
    for container in pod["containers"]:
        container.pop("env", None)
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "rules"]
    for claim in stateful["volumeClaimTemplates"]:
        claim["metadata"].pop("labels", None)
    for rule in policy["ingress"]:
        rule["from"] = [peer for peer in rule["from"] if "podSelector" not in peer]
    configuration = yaml.safe_load(configuration_of(everything))
    configuration.pop("rules", None)
    configuration["policy"].pop("mode")
    for spec in (stateful, policy, kinds["PodDisruptionBudget"]["spec"]):
        for selector in ("selector", "podSelector"):
            spec.pop(selector, None)
    stateful["template"] = pod
    return {
        "StatefulSet": stateful,
        "NetworkPolicy": policy,
        "PodDisruptionBudget": kinds["PodDisruptionBudget"]["spec"],
        "Service": kinds["Service"]["spec"]["ports"],
        "ClusterRole": kinds["ClusterRole"]["rules"],
        "selfheal.yaml": configuration,
    }


def differences(where, base, chart):
    if isinstance(base, dict) and isinstance(chart, dict):
        for key in sorted(base.keys() | chart.keys()):
            differences(f"{where}.{key}", base.get(key), chart.get(key))
    elif isinstance(base, list) and isinstance(chart, list) and len(base) == len(chart):
        for number, pair in enumerate(zip(base, chart)):
            differences(f"{where}[{number}]", *pair)
    elif base != chart:
        fault(where, f"the base has {base}, the chart {chart}")


def drift(base, chart):
    base, chart = compared(documents(base)), compared(documents(chart))
    for what in base:
        differences(what, base[what], chart[what])


def main():
    commands = {
        "parse": parse,
        "alerts": alerts,
        "metrics": metrics,
        "queries": queries,
        "rules": rules,
        "rights": rights_agree,
        "values": values,
    }
    with_file = {"compose": compose, "manifests": manifests, "configuration": print_configuration}
    match sys.argv[1:]:
        case [command] if command in commands:
            commands[command]()
        case [command, file] if command in with_file:
            with_file[command](pathlib.Path(file))
        case ["drift", base, chart]:
            drift(pathlib.Path(base), pathlib.Path(chart))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    for line in faults:
        print(line, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
