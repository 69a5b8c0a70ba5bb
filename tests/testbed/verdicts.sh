# shellcheck shell=bash
# Checks with a verdict each, for scripts that source this after lib.sh.
PASSED=0 FAILED=0
BAD=()

# try NAME COMMAND...: PASS when it ends with 0; what it said is shown only when it did not.
try() {
    local name=$1 said begin=$SECONDS; shift
    if said=$("$@" 2>&1 </dev/null); then
        PASSED=$((PASSED + 1)); echo "PASS $name ($((SECONDS - begin)) s)"
    else
        FAILED=$((FAILED + 1)); BAD+=("$name"); echo "FAIL $name ($((SECONDS - begin)) s)"; printf '%s\n' "$said" | tail -n 60
    fi
}

# suite NAME COMMAND...: a script whose last lines say `N passed, N failed` (or cargo's own result lines): its counts are
# added to ours. One that ends badly without counting a failure is a failure itself.
suite() {
    local name=$1 log status=0 passed failed begin=$SECONDS; shift
    log=$(log_of "suite-${name// /-}")
    echo "--- $name"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    # cargo counts per test binary, the scripts once at their end.
    passed=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed.*/\1/p' "$log" | paste -sd+)
    failed=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed.*/\2/p' "$log" | paste -sd+)
    if [ -z "$passed" ]; then
        passed=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1/p' "$log" | tail -n 1)
        failed=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\2/p' "$log" | tail -n 1)
    fi
    passed=$((${passed:-0})) failed=$((${failed:-0}))
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
    if [ "$failed" != 0 ]; then
        BAD+=("$name")
        grep -E '^(FAIL|error|test .* FAILED|thread .* panicked|---- )' -A 12 "$log" | head -n 120 || tail -n 15 "$log"
        echo "    (all of it: $log)"
    fi
    echo "--- $name: $passed good, $failed bad, $((SECONDS - begin)) s"
}

# summary: the last line, and the exit status.
summary() {
    [ ${#BAD[@]} = 0 ] || printf 'failed: %s\n' "${BAD[@]}"
    echo "$PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}
