// policy authorize --batch: tests in the format of Cedar's corpus, one a line, to answers, one a
// line in the same order; so that others can ask us what they ask their own.
//
// A line that cannot be answered is answered by {"error": "..."}, and so is a request in a line;
// the rest goes on. Each answer is written out before the next line is read, so that a program may
// ask over pipes. Files are named relative to one folder and lie below it.
#pragma once
#include <filesystem>
#include <string>

namespace latticegate::app {

// `input` is a file, or "-" for standard input; `root` is empty for the folder of the file, or the
// working folder. Gives the exit code: done, or usage when something could not be answered.
int authorize_batch(const std::string& input, const std::filesystem::path& root);

}  // namespace latticegate::app
