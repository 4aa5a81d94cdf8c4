# fuzz/cedar_diff: random questions to the official Cedar from npm and to ours; ./dev fuzz cedar-diff SECONDS runs it for
# long. Here it asks the questions that once differed, and a few seconds of new ones. Exit code 77: the package is not there.
add_executable(cedar_diff fuzz/cedar_diff/main.cc fuzz/cedar_diff/generator.cc fuzz/cedar_diff/oracle.cc)
target_include_directories(cedar_diff PRIVATE ${PROJECT_SOURCE_DIR}/fuzz)
target_link_libraries(cedar_diff PRIVATE cedar lg_flags)
set(modules ${PROJECT_SOURCE_DIR}/tests/e2e/node_modules)
add_test(NAME cedar_diff COMMAND cedar_diff ${modules}/.bin/node ${modules} ${PROJECT_SOURCE_DIR}/fuzz/cedar_diff 5)
set_tests_properties(cedar_diff PROPERTIES TIMEOUT 120 LABELS fuzz SKIP_RETURN_CODE 77)
