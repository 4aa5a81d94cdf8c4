# The official MCP conformance suite (npm, installed by ./dev setup beside the other test peers) on our fixture and through
# the gateway in front of it, one ctest entry a revision. Cells that may not be left out are named in tests/conformance/mcp.py.
foreach(revision IN ITEMS 2025-11-25 2026-07-28)
  add_test(NAME conformance.mcp.${revision} COMMAND python3 ${PROJECT_SOURCE_DIR}/tests/conformance/mcp.py
    --binary $<TARGET_FILE:latticegate> --fixture $<TARGET_FILE:conformance_fixture> ${revision})
  set_tests_properties(conformance.mcp.${revision} PROPERTIES TIMEOUT 600 LABELS e2e)
endforeach()
