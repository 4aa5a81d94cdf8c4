// The official Cedar in a Node process of its own (oracle.cjs), asked over pipes.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace latticegate::diff {

class Oracle {
 public:
  // `node` is the program, `script` the path of oracle.cjs, `modules` the folder of its packages.
  Oracle(std::string node, std::string script, std::string modules);
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;
  ~Oracle();

  // One line to one line, without the line's end. Nothing when the process died of it (deep nesting
  // does that); the next question starts another one.
  std::optional<std::string> ask(std::string_view question);

 private:
  bool start();
  void stop();

  std::string node_;
  std::string script_;
  std::string modules_;
  pid_t process_ = 0;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
};

}  // namespace latticegate::diff
