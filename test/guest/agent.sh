#!/bin/bash
# Runs what the test asks for, one command at a time. A request is one line, "ID SECONDS BASE64-SCRIPT"; its answer is
# "ID STATUS BASE64-STDOUT. BASE64-STDERR." (the dots keep empty output from vanishing).
port=/dev/virtio-ports/sparsewire.control
until [ -e "$port" ]; do sleep 0.2; done
exec 3<>"$port"
work=$(mktemp -d /run/agent.XXXXXX)
echo ready >&3
while read -r id seconds script <&3; do
  base64 -d <<<"$script" >"$work/script"
  timeout -k 5 "$seconds" bash "$work/script" >"$work/out" 2>"$work/err" </dev/null 3>&-
  status=$?
  printf "%s %s %s. %s.\n" "$id" "$status" "$(base64 -w0 "$work/out")" "$(base64 -w0 "$work/err")" >&3
done
