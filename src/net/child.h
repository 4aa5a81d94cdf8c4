// Child processes with pipes: servers that speak over standard input and output.
//
// A child gets its own process group (so that all it starts can be ended with it), exactly the
// environment it is given, and dies with us (PR_SET_PDEATHSIG). Ending is polite first: close its
// input, then SIGTERM, then SIGKILL to the group.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"

namespace latticegate::net {

struct ChildOptions {
  std::vector<std::string> arguments;    // program first; looked up in the given PATH
  std::vector<std::string> environment;  // "NAME=value"
  std::string directory;                 // working directory; empty: ours
};

class Child {
 public:
  static base::Result<std::unique_ptr<Child>> start(Loop& loop, const ChildOptions& options);
  ~Child();  // kills the group if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  Stream& input() { return *input_; }    // we write
  Stream& output() { return *output_; }  // we read
  Stream& errors() { return *errors_; }  // we read
  // Resumes when it has ended: the exit status in words ("exit 1", "signal 9").
  Task<std::string> wait();
  // Polite end as described above.
  Task<void> stop(std::chrono::milliseconds patience);

 private:
  Child() = default;
  Loop* loop_ = nullptr;
  pid_t pid_ = -1;
  std::unique_ptr<Stream> input_, output_, errors_, exit_;
  std::string status_;
  bool ended_ = false;
};

}  // namespace latticegate::net
