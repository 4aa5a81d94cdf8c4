// Reads: which arguments policies look at. A number that Cedar's decimals cannot hold exactly
// refuses its call only if some policy could have judged it; a position with six fraction digits in
// a tool that no policy looks into is nobody's business. An argument that is left out this way is
// one that no policy names, nor anything that it lies in, so that nothing can be decided by its
// absence.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/entity.h"
#include "cedar/policy_set.h"
#include "cedar/value.h"

namespace latticegate::policy {

class Reads {
 public:
  // Everything is read.
  Reads() = default;
  // What the conditions of these policies name; everything, if one of them looks at the context or
  // at its input as a whole.
  explicit Reads(const cedar::PolicySet& policies);

  // Whether anything on the way to an argument, itself included, is named.
  bool any_of(std::span<const std::string_view> path) const;

 private:
  void walk(const cedar::Expression& expression, bool whole);
  bool everything_ = true;
  std::set<std::string, std::less<>> names_;
};

// Which parts of the context conditions look at: what is not among them can be left out of a
// question without anything being decided otherwise. As a tree of names, which are views into the
// policies. For policies without temporal conditions.
class ContextReads {
 public:
  struct Part {
    cedar::Name name{};
    bool whole = false;     // with everything below it
    bool presence = false;  // nothing but whether it is there; `whole` then, too: it is small
    std::vector<Part> parts{};

    const Part* find(std::string_view wanted) const {
      for (const Part& part : parts)
        if (cedar::same_bytes(part.name.text(), wanted)) return &part;
      return nullptr;
    }
  };
  explicit ContextReads(const cedar::PolicySet& policies);
  // That part, too; its name's bytes stay the caller's.
  void add(std::initializer_list<std::string_view> path);
  const Part& root() const [[clang::lifetimebound]] { return root_; }

 private:
  Part* place(const cedar::Expression& expression);
  void walk(const cedar::Expression& expression);
  Part root_;
};

// Which policies look at answers: only for what they judge is a second decision due, and only for
// what they look into is an answer's structured content converted.
class OutputReaders {
 public:
  struct Reading {
    bool output = false;      // context.output at all
    bool structured = false;  // its structured content
  };
  OutputReaders() = default;
  explicit OutputReaders(const cedar::PolicySet& policies);

  // By the policies whose scope admits the action. `policies` are those of the constructor.
  Reading of(const cedar::PolicySet& policies, const cedar::EntityUid& action,
             std::span<const cedar::EntityUid> groups) const;

 private:
  struct Reader {
    cedar::PolicyIndex policy;
    Reading reading;
  };
  std::vector<Reader> readers_;
};

}  // namespace latticegate::policy
