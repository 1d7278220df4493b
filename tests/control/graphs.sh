# Sourced: writes the graphs of these tests.
cat >ticks.yaml <<'EOF'
hde: 1
graph: ticks
nodes:
  source: {op: control/source, params: {every: 1ms}}
  sink: {op: control/sink}
edges: [source -> sink]
EOF
cat >idle.yaml <<'EOF'
hde: 1
graph: idle
nodes:
  source: {op: control/live}
  sink: {op: control/sink}
edges: [source -> sink]
EOF
cat >count.yaml <<'EOF'
hde: 1
graph: count
nodes:
  source: {op: control/source, params: {every: 0s, count: 1000, burst: 10}}
  sink: {op: control/sink}
edges: [source -> sink]
EOF
