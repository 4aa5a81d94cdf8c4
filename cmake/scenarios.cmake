# tests/scenarios/<name>/: the whole program against scripted servers and clients, one ctest entry a folder; tests/faults:
# hostile clients. They need python3 and nothing else. Exit code 77: skipped, the output says why.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB scenarios CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/scenarios/*/client.jsonl)
foreach(file IN LISTS scenarios)
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME name)
  add_test(NAME scenario.${name} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/scenarios/run.py ${name})
  set_tests_properties(scenario.${name} PROPERTIES TIMEOUT 120 LABELS scenario SKIP_RETURN_CODE 77
    ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
endforeach()
set_tests_properties(scenario.own-classifier PROPERTIES
  ENVIRONMENT_MODIFICATION "LD_LIBRARY_PATH=path_list_append:${unpacked}")
add_test(NAME faults COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/run.py)
set_tests_properties(faults PROPERTIES TIMEOUT 120 LABELS scenario SKIP_RETURN_CODE 77
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
add_test(NAME stops COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/behaviour/stops.py 20)
set_tests_properties(stops PROPERTIES TIMEOUT 120 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
# Hostile load beside other tests measures the other tests.
set_tests_properties(faults PROPERTIES RUN_SERIAL ON)
add_test(NAME faults.states COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/states.py)
set_tests_properties(faults.states PROPERTIES TIMEOUT 300 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
add_test(NAME faults.rules COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/rules.py)
set_tests_properties(faults.rules PROPERTIES TIMEOUT 120 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
# tests/conformance: what others can ask of us, and the public answers to it.
add_test(NAME conformance.inspect COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/conformance/inspect_lines.py)
set_tests_properties(conformance.inspect PROPERTIES TIMEOUT 300 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
add_test(NAME conformance.authorize COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/conformance/authorize.py)
set_tests_properties(conformance.authorize PROPERTIES TIMEOUT 300 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>;LATTICEGATE_SHARED_DATA=$ENV{LATTICEGATE_SHARED_DATA}")
add_test(NAME conformance.policy COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/conformance/policy.py)
set_tests_properties(conformance.policy PROPERTIES TIMEOUT 120 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
# tests/attacks: attacks and their benign twins, many in one gateway.
add_test(NAME attacks COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/attacks/run.py)
set_tests_properties(attacks PROPERTIES TIMEOUT 180 LABELS scenario
  ENVIRONMENT "LATTICEGATE_BINARY=$<TARGET_FILE:latticegate>")
