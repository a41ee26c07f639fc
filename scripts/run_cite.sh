#!/usr/bin/env bash
# Runs an official OGC executable test suite (ets-ogcapi-features10, -tiles10, -processes10) against a running server.
#
# Usage: scripts/run_cite.sh SUITE-aio.jar http://127.0.0.1:8000 [FOLDER-FOR-RESULTS]
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
jar=$1 base=${2%/} out=${3:-cite-results}
[ -f "$jar" ] || { echo "run_cite: no file $jar; expected the all-in-one jar of a suite" >&2; exit 2; }
command -v java >/dev/null || { echo "run_cite: java is not installed (17 or newer)" >&2; exit 1; }
mkdir -p "$out"
cat >"$out/properties.xml" <<XML
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE properties SYSTEM "http://java.sun.com/dtd/properties.dtd">
<properties version="1.0">
  <entry key="iut">$base/</entry>
  <entry key="noofcollections">-1</entry>
  <entry key="echoprocessid">echo</entry>
</properties>
XML
java -jar "$jar" -o "$out" -h "$out/properties.xml"
result=$(find "$out" -name testng-results.xml | sort | tail -1)
[ -n "$result" ] || { echo "run_cite: the suite wrote no results" >&2; exit 1; }
sed -n 's/.*<testng-results \([^>]*\)>.*/\1/p' "$result"
! grep -q 'failed="[1-9]' "$result"
