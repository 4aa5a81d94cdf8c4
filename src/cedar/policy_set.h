// Policies: the parsed, immutable set that authorize() decides by; templates and their links
// included.
//
// The text is an operator's, not an attacker's, but is treated as hostile: size, nesting and counts
// are limited, and all errors are values. Error details are `file:line:column: what was expected,
// what was found (hint)`. Line and column count from 1, columns in bytes. Fuzz target:
// fuzz/cedar_fuzz.cc.
//
// Lifetimes: a PolicySet shares its content when copied; Policy, Expression and their views live as
// long as one copy. Safe from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cedar/expression.h"
#include "cedar/value.h"

namespace latticegate::cedar {

enum class Effect : std::uint8_t { permit, forbid };
std::string_view name(Effect effect);

struct Annotation {
  std::string_view key;
  std::string_view value;  // "" when written without one
  bool bare = true;        // written without one
};

// What the scope says about one of principal, action and resource.
struct ScopeConstraint {
  enum class Kind : std::uint8_t {
    any,
    equal,   // == uids[0]
    in,      // in uids[0]
    in_any,  // in [uids...], action only; may be empty and then never matches
    is,      // is type
    is_in,   // is type in uids[0]
  };
  Kind kind = Kind::any;
  bool slot = false;  // the uid is ?principal or ?resource (templates only); uids is empty then
  std::string_view type{};  // is, is_in
  std::span<const EntityUid> uids{};
  Span span{};
};

struct Condition {
  bool unless = false;
  const Expression* expression = nullptr;
  Span span;  // with the keyword and the braces
};

// Where a text came from; for messages.
struct Location {
  std::string_view file;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct SourceFile;
struct TemporalBlock;  // cedar/temporal.h

struct Policy {
  std::string_view id;
  std::string_view template_id;  // of a link: its template; "" otherwise
  Effect effect = Effect::permit;
  ScopeConstraint principal;
  ScopeConstraint action;
  ScopeConstraint resource;
  std::span<const Annotation> annotations;
  std::span<const Condition> conditions;
  std::span<const TemporalBlock> temporal{};  // in the order of the text; a link has its template's
  Span span{};
  const SourceFile* source = nullptr;

  bool is_template() const { return principal.slot || resource.slot; }
  // The annotation's value, if it is there.
  std::optional<std::string_view> annotation(std::string_view key) const;
  // The source text of a stretch of this policy, and where it begins.
  std::string_view text(Span stretch) const;
  Location locate(Span stretch) const;
};

using PolicyIndex = std::uint32_t;

class PolicySet {
 public:
  class Builder;
  PolicySet();  // empty: denies everything
  // Policies and links, in the order in which they were added.
  std::span<const Policy> policies() const;
  const Policy& operator[](PolicyIndex index) const { return policies()[index]; }
  std::span<const Policy> templates() const;
  // Null when there is none of that id.
  const Policy* find(std::string_view id) const;
  std::size_t size() const { return policies().size(); }

  // Policies whose action constraint is `action == uid` / `action in uid`, and those that take any
  // action. Together with a request's action and its ancestors they are all that can match.
  std::span<const PolicyIndex> with_action_equal(const EntityUid& action) const;
  std::span<const PolicyIndex> with_action_in(const EntityUid& group) const;
  std::span<const PolicyIndex> with_any_action() const;

  struct Store;
  const Store& store() const { return *store_; }

 private:
  explicit PolicySet(std::shared_ptr<const Store> store);
  std::shared_ptr<const Store> store_;
};

// How policies get their ids.
enum class Naming : std::uint8_t {
  by_annotation,  // @id("..."), otherwise policyN by order; a repeated id is an error
  by_order,       // policy0, policy1, ... in order of appearance over all files
};

struct PolicyLimits {
  base::Bytes size{std::uint64_t{16} * 1024 * 1024};  // of one text
  std::uint32_t policies = 100'000;                   // in one text
  bool templates = true;                              // whether policies with slots are allowed
  bool temporal = false;                              // whether `temporal { ... }` is read
};

class PolicySet::Builder {
 public:
  explicit Builder(Naming naming = Naming::by_annotation, const PolicyLimits& limits = {});
  Builder(Builder&&) noexcept;
  Builder& operator=(Builder&&) noexcept;
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder();

  // Adds the policies and templates of a text, which is copied. `file` is only for messages. On an
  // error nothing of the text is added.
  [[nodiscard]] base::Result<void> add(std::string_view text, std::string_view file);
  // Adds a text that is one policy or, with `slots`, one template, under that id.
  [[nodiscard]] base::Result<void> add_one(std::string_view text, std::string_view file,
                                           std::string_view id, bool slots = false);
  // Adds a link: the template with its slots filled, under a new id. The slots given are exactly
  // those of the template.
  [[nodiscard]] base::Result<void> link(std::string_view template_id, std::string_view new_id,
                                        const std::optional<EntityUid>& principal,
                                        const std::optional<EntityUid>& resource);
  // The builder is empty afterwards.
  PolicySet build();

 private:
  [[nodiscard]] base::Result<std::vector<Policy>> read(std::string_view text,
                                                       std::string_view file);
  std::shared_ptr<Store> draft_;
};

// One text, in one step. Templates are allowed in it.
[[nodiscard]] base::Result<PolicySet> parse_policies(std::string_view text,
                                                     std::string_view file = "policies.cedar",
                                                     Naming naming = Naming::by_annotation,
                                                     const PolicyLimits& limits = {});

// What is wrong with a text, at most one error of each policy and `most` in all, in their order.
// Reading goes on with the next policy; behind a byte that Cedar does not have it ends. Empty if
// and only if parse_policies() accepts the text, but for its size and the ids.
std::vector<base::Error> syntax_errors(std::string_view text, std::string_view file,
                                       const PolicyLimits& limits, std::size_t most);

// A policy, a whole set, an expression as Cedar text in one normal layout. parse(print(x)) is x
// again.
std::string print(const Policy& policy);
std::string print(const PolicySet& set);
std::string print(const Expression& expression);
// `principal in Group::"g"`.
std::string print(std::string_view variable, const ScopeConstraint& scope);

// Same effect, scope, conditions and annotations; ids and places do not count.
bool same(const Policy& a, const Policy& b);

}  // namespace latticegate::cedar
