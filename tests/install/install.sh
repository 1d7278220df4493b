#!/usr/bin/env bash
# Installs into a prefix, writes an operator outside of the tree with the installed hde, builds it
# against the installed package, tests it, and finds it again through HDE_PLUGIN_PATH.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; exit 1; }

cmake --install "$HDE_BUILD" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
unset HDE_PLUGIN_PATH
hde=$work/prefix/bin/hde
cd "$work"

for file in include/hde/operator.h include/hde/testing.h include/hde/schemas/market.pb-c.h \
  share/hde/schemas/market.proto share/hde/examples/hello_operator/straddle.c share/man/man1/hde.1; do
  [ -f "prefix/$file" ] || fail "not installed: $file"
done
if grep -rlE "$HDE_BUILD|$HDE_SOURCE" prefix/lib*/cmake prefix/lib*/pkgconfig prefix/lib*/*/cmake \
  prefix/include 2>/dev/null; then
  fail 'the installed package points into the source or build tree'
fi

# The installed plugins are found without being told.
$hde describe --json >all.json
grep -q '"name":"ingestion/synthetic"' all.json || fail 'hde describe does not find its own plugins'
grep -q "\"path\":\"$work/prefix/" all.json || fail 'plugins come from elsewhere'

# The systemd unit starts that program, and systemd understands it.
cp "prefix/lib/systemd/system/hde@.service" hde@market.service || fail 'no systemd unit'
grep -q "^ExecStart=$hde run --supervise" hde@market.service || fail 'the unit starts another program'
if command -v systemd-analyze >systemd; then
  systemd-analyze verify --man=no "$work/hde@market.service" 2>said || { cat said; fail 'the unit is wrong'; }
  [ ! -s said ] || { cat said; fail 'systemd has something to say about the unit'; }
else
  echo 'skipped: systemd-analyze verify of the unit (there is no systemd-analyze)'
fi

$hde new operator my/spread >said
[ -f spread/spread.c ] || fail 'no operator was written'
if grep -rn straddle spread; then fail 'the name of the example is left'; fi
status=0
$hde new operator my/spread 2>again || status=$?
[ $status -eq 73 ] && grep -q HDE-C042 again || fail "an existing folder: exit $status"
for name in Spread a/b/c 'x y' my/test; do
  status=0
  $hde new operator "$name" 2>again || status=$?
  [ $status -eq 64 ] && grep -q HDE-C041 again || fail "name '$name': exit $status"
done

cd spread
cmake -B build -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_FLAGS='-Wall -Wextra -Werror' \
  -DCMAKE_INSTALL_PREFIX="$work/prefix" >log && cmake --build build >>log || { cat log; exit 1; }
ctest --test-dir build --output-on-failure >>log || { cat log; exit 1; }

[ "$(nm -D --defined-only build/plugins/spread.so | awk '{print $3}')" = hde_plugin ] ||
  fail 'the plugin exports more than hde_plugin'
HDE_PLUGIN_PATH=build/plugins $hde describe my/spread | grep -q 'hde.RawChain' ||
  fail 'hde describe does not show it'
status=0
$hde describe my/spread 2>said || status=$?
[ $status -eq 69 ] && grep -q HDE-P016 said || fail "without HDE_PLUGIN_PATH: exit $status"
cmake --install build >>log
$hde describe my/spread >said || fail 'not found after cmake --install'
if $hde help check >/dev/null 2>&1; then
  $hde check graph.yaml
fi
if $hde help run >/dev/null 2>&1; then
  $hde run graph.yaml >out
  [ "$(grep -c '"value":' out)" -eq 10 ] || { cat out; fail 'the graph did not give ten values'; }
fi

# Without CMake: one compiler call.
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name hde.pc)") \
  pkg-config --define-prefix --cflags --libs hde >flags
# shellcheck disable=SC2046
cc -shared -fPIC -fvisibility=hidden -o alone.so spread.c $(cat flags)
$hde describe ./alone.so | grep -q my/spread || fail 'a plugin built by hand is refused'

# libhde_quant without the engine: by pkg-config, shared and static, and as a CMake component.
cd "$work"
cp -r prefix/share/hde/examples/quant quant
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name hde_quant.pc)")
library=$(dirname "$PKG_CONFIG_PATH")
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror quant/ratio.c -o ratio $(pkg-config --define-prefix --cflags --libs hde_quant)
[ "$(LD_LIBRARY_PATH=$library ./ratio)" = 'put/call ratio: 1.5' ] || fail 'the example says something else'
# shellcheck disable=SC2046
cc quant/ratio.c -o static $(pkg-config --define-prefix --cflags hde_quant) "$library/libhde_quant.a" -lm
[ "$(./static)" = 'put/call ratio: 1.5' ] || fail 'the static library'
cmake -S quant -B by_cmake -DCMAKE_PREFIX_PATH="$work/prefix" >log && cmake --build by_cmake >>log || {
  cat log
  exit 1
}
[ "$(by_cmake/ratio)" = 'put/call ratio: 1.5' ] || fail 'the CMake component'
nm -D --defined-only "$library/libhde_quant.so" | awk '{print $3}' >exported
for name in pcr bsm_batch bsm_price iv_batch iv_solve strategy_shape margin_estimate margin_index \
  plan_run quant_cpu_force; do
  grep -qx "$name" exported || fail "libhde_quant.so does not export $name"
done
while read -r name; do
  grep -qw -- "$name" prefix/include/quant/*.h || fail "libhde_quant.so exports $name, which no header declares"
done <exported
if readelf -d "$library/libhde_quant.so" | grep NEEDED | grep -v -E 'libc\.so|libm\.so|ld-linux'; then
  fail 'libhde_quant.so needs other libraries'
fi
for page in hde-price hde-verify; do
  [ -f "prefix/share/man/man1/$page.1" ] || fail "no manual page $page"
  "prefix/bin/$page" --help >said || fail "$page --help"
done
