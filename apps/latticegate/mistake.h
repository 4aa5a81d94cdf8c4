// What is wrong with a command line, in one line for the person who typed it.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace latticegate::app {

// `error` is what parsing with `parser` threw. Names the first word that no command takes and the
// nearest one that would be taken there: "latticegate: unknown command 'rnu'; did you mean 'run'?".
// No line end.
std::string mistake(const CLI::App& parser, const CLI::ParseError& error);

}  // namespace latticegate::app
