#!/usr/bin/env bash
# hde check, explain and graph: exit codes, findings of several files, JSON, pictures.
. "$HDE_SOURCE/tests/support/cli.sh"

cat >good.yaml <<'YAML'
hde: 1
graph: good
nodes: {a: {op: test/source}, f: {op: test/filter}, b: {op: test/sink}}
edges: [a -> f -> b]
YAML
cat >bad.yaml <<'YAML'
hde: 1
graph: bad
nodes: {a: {op: test/sorce, parms: {}}, b: {op: test/sink}}
edges: [a -> bb]
YAML

expect 0 hde check good.yaml
has out "good.yaml: ok, graph good, 3 nodes, 2 edges"
expect 78 hde check good.yaml bad.yaml
has out "good.yaml: ok"
has out "bad.yaml:3:17: error HDE-G050: there is no operator 'test/sorce'"
has out "did you mean 'test/source'?"
has out "bad.yaml:3:29: error HDE-G020: a node has no key 'parms'"
has out "bad.yaml:4:14: error HDE-G071"
has out "    4 | edges: [a -> bb]"
has out "      |              ^"
has out "3 errors, 0 warnings"
expect 66 hde check absent.yaml
has out "absent.yaml: error HDE-G001"
expect 64 hde check
expect 64 hde check --stict good.yaml
has err "--strict"

expect 0 hde check good.yaml --set f.factor=2
expect 78 hde check good.yaml --set f.facter=2
has out "command line: error HDE-G036"
has out "did you mean 'factor'?"

printf 'hde: 1\ngraph: w\nnodes: {a: {op: test/source}}\n' >warn.yaml
expect 0 hde check warn.yaml
has out "warning HDE-G053"
expect 78 hde check --strict warn.yaml

expect 78 hde check --json bad.yaml
python=$(command -v python3) && { "$python" -c 'import json,sys
d = json.load(open("out"))
f = d["findings"]
assert d["errors"] == 3 and not d["files"][0]["ok"], d
assert [(x["code"], x["line"], x["column"]) for x in f] == [
    ("HDE-G050", 3, 17), ("HDE-G020", 3, 29), ("HDE-G071", 4, 14)], f
assert f[0]["nearest"] == "test/source" and f[2]["source"] == "edges: [a -> bb]", f' ||
  fail "JSON of check"; }

expect 0 hde explain g077
has out "HDE-G077: edges lead round in a circle"
has out "right:"
expect 0 hde explain
has out "HDE-G001"
expect 64 hde explain HDE-G999

expect 0 hde graph good.yaml
has out "o  f  test/filter"
expect 0 hde graph good.yaml --format dot
has out '"a" -> "f" [label="Sample"]'
expect 0 hde graph good.yaml -f mermaid
has out "flowchart LR"
expect 0 hde graph good.yaml --json
has out '"name":"a.out -> f.in"'
expect 78 hde graph bad.yaml
has err "HDE-G050"
expect 66 hde graph absent.yaml

cat > hosts.yaml <<'END'
hde: 1
graph: spread
hosts: {x: {listen: "tcp://10.0.0.1:7700"}, y: {listen: "tcp://10.0.0.2:7700"}}
nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: y}}
edges: [a -> b]
END
expect 78 hde check hosts.yaml
has out "HDE-G335"
expect 0 hde check --insecure hosts.yaml
has out "2 hosts, 1 edges between them"
expect 64 hde run --insecure hosts.yaml
has err "--host x, or --host all"
expect 78 hde run --insecure hosts.yaml --host xx
has err "HDE-G331"
expect 64 hde graph good.yaml --format picture
if command -v dot >/dev/null; then
  expect 0 hde graph good.yaml --format svg
  has out "<svg"
else
  expect 69 hde graph good.yaml --format svg
  has err "graphviz"
fi
