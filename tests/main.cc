// The unit tests' main: doctest, compiled once and linked into every *_test executable.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
