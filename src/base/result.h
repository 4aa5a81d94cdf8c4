// Errors as values: one enum with a sentence each, one struct, one result type.
//
// What the outside did wrong (bytes, peer, file, configuration, time-out) is a Result. Absence that
// is normal is a std::optional or a null pointer. A broken invariant of our own is check(): on in
// release, says where, aborts, because a gate that has lost its invariants must not go on saying
// yes.
#pragma once
#include <cstdint>
#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace latticegate::base {

enum class Code : std::uint8_t {
  malformed,        // bytes do not follow their format
  too_large,        // a limit of ours was passed
  unsupported,      // well-formed, but something we do not speak
  invalid,          // well-formed, but the content breaks a rule (configuration, arguments, policy)
  not_found,        // the named thing does not exist (or the caller may not know that it does)
  unauthenticated,  // no credential, or one that is not valid
  forbidden,        // policy said no
  conflict,         // exists already, or its state does not allow this
  timeout,          // a deadline passed
  closed,           // the peer ended the stream
  unavailable,      // a part that we need (disk, upstream, process) does not work now
  overloaded,       // a bounded queue is full; try again later
  cancelled,        // the other side no longer wants it
  io,               // the operating system refused
  crypto,           // a signature, key, certificate or handshake is not acceptable
  internal,         // a defect of ours that is not worth an abort
};

// The name of a code, as it appears in logs: "malformed", "too_large", ...
std::string_view name(Code code);

// What went wrong. `detail` is a sentence for our log and for the operator; it never goes to a
// client.
struct Error {
  Code code{};
  std::string detail;
  std::source_location where = std::source_location::current();
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(
    Code code, std::string detail = {},
    std::source_location where = std::source_location::current()) {
  return std::unexpected<Error>(Error{code, std::move(detail), where});
}

// Passes an error on with words put before its detail: "loading policies: line 3 ...".
[[nodiscard]] std::unexpected<Error> within(std::string_view context, Error error);

// "code: detail", for logs and the command line.
std::string describe(const Error& error);

// What the operating system says of an errno value: "No such file or directory".
std::string os_reason(int number);

// Aborts with the place and the sentence when the condition does not hold. Never for outside
// causes.
void check(bool condition, std::string_view sentence,
           std::source_location where = std::source_location::current());

// One branch per alternative of a std::variant.
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace latticegate::base
