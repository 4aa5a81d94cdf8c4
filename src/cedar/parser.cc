#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cedar/detail/cursor.h"
#include "cedar/detail/expression_parser.h"
#include "cedar/detail/parser.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t most_annotations = 256;

// A recursive descent; every function returns false after the cursor has noted an error.
class Parser {
 public:
  Parser(const SourceFile& file, Arena& arena) : cursor_(file, arena), arena_(arena) {}

  base::Result<std::vector<Policy>> policies(const PolicyLimits& limits) {
    reads_temporal_ = limits.temporal;
    std::vector<Policy> all;
    while (!cursor_.at(Token::end)) {
      if (!parse_next(limits, all)) return std::unexpected(cursor_.error());
    }
    return all;
  }

  std::vector<base::Error> errors(const PolicyLimits& limits, std::size_t most) {
    reads_temporal_ = limits.temporal;
    std::vector<Policy> all;
    std::vector<base::Error> found;
    while (!cursor_.at(Token::end) && found.size() < most) {
      const std::uint32_t begin = cursor_.begin();
      if (parse_next(limits, all)) continue;
      found.push_back(cursor_.take_error());
      if (found.back().code == base::Code::too_large) break;
      if (found.back().code == base::Code::malformed) skip_policy(begin);
      // Behind a byte that is no token there is nothing to read.
      if (cursor_.at(Token::bad)) break;
    }
    return found;
  }

 private:
  bool parse_next(const PolicyLimits& limits, std::vector<Policy>& all) {
    const std::uint32_t begin = cursor_.begin();
    Policy policy;
    if (!parse_policy(policy)) return false;
    policy.source = &cursor_.file();
    if (policy.is_template() && !limits.templates)
      cursor_.fail(begin, "a template where only policies without slots are allowed",
                   base::Code::invalid);
    if (all.size() >= limits.policies)
      cursor_.fail(begin, std::format("more than {} policies", limits.policies),
                   base::Code::too_large);
    if (cursor_.failed()) return false;
    all.push_back(policy);
    return true;
  }

  // From within the policy that began there to where the next one may begin: behind a `;`, or at
  // what only begins a policy.
  void skip_policy(std::uint32_t begin) {
    if (cursor_.begin() == begin) cursor_.next();
    while (!cursor_.at(Token::end) && !cursor_.at(Token::bad)) {
      const bool effect = cursor_.at_word("permit") || cursor_.at_word("forbid");
      if (cursor_.at(Token::at) || (effect && cursor_.peek(1).token == Token::left_paren)) return;
      if (cursor_.take(Token::semicolon)) return;
      cursor_.next();
    }
  }

  // ---- policies

  bool parse_policy(Policy& policy) {
    const std::uint32_t begin = cursor_.begin();
    if (!parse_annotations(policy)) return false;
    if (cursor_.take_word("permit")) {
      policy.effect = Effect::permit;
    } else if (cursor_.take_word("forbid")) {
      policy.effect = Effect::forbid;
    } else {
      const bool word = cursor_.at(Token::identifier);
      const std::string_view found = cursor_.text(cursor_.peek());
      if (word && (found == "allow" || found == "grant"))
        return cursor_.expected("`permit` or `forbid`", "write `permit`");
      if (word && (found == "deny" || found == "reject"))
        return cursor_.expected("`permit` or `forbid`", "write `forbid`");
      return cursor_.expected("`permit` or `forbid`");
    }
    if (!cursor_.expect(Token::left_paren, "`(`") ||
        !parse_entity_scope("principal", policy.principal) || !next_in_scope("action") ||
        !parse_action_scope(policy.action) || !next_in_scope("resource") ||
        !parse_entity_scope("resource", policy.resource))
      return false;
    cursor_.take(Token::comma);
    if (!cursor_.expect(Token::right_paren, "`)` after the scope") || !parse_conditions(policy))
      return false;
    if (!cursor_.take(Token::semicolon))
      return cursor_.expected("`when`, `unless` or `;`", "a policy ends with `;`");
    policy.span = {begin, cursor_.end()};
    return true;
  }

  bool parse_annotations(Policy& policy) {
    std::vector<Annotation> found;
    while (cursor_.at(Token::at)) {
      const std::uint32_t begin = cursor_.begin();
      cursor_.next();
      if (!cursor_.at(Token::identifier)) return cursor_.expected("the name of an annotation");
      Annotation annotation{.key = cursor_.text(cursor_.next()), .value = {}};
      annotation.bare = !cursor_.take(Token::left_paren);
      if (!annotation.bare &&
          (!cursor_.string("the annotation's value as a string", annotation.value) ||
           !cursor_.expect(Token::right_paren, "`)`")))
        return false;
      if (std::ranges::contains(found, annotation.key, &Annotation::key))
        return cursor_.fail(begin,
                            std::format("the annotation `@{}` stands here twice", annotation.key));
      found.push_back(annotation);
      if (found.size() > most_annotations)
        return cursor_.fail(begin,
                            std::format("more than {} annotations on one policy", most_annotations),
                            base::Code::too_large);
    }
    policy.annotations = arena_.copy(std::span<const Annotation>(found));
    return true;
  }

  bool next_in_scope(std::string_view variable) {
    if (cursor_.take(Token::comma)) return true;
    return cursor_.expected(
        std::format("`,` and then `{}`", variable),
        cursor_.at(Token::right_paren)
            ? std::format("the scope names principal, action and resource; `{}` is missing",
                          variable)
            : std::string());
  }

  bool scope_variable(std::string_view variable) {
    if (cursor_.take_word(variable)) return true;
    return cursor_.expected(std::format("`{}`", variable),
                            "the scope is (principal, action, resource), in this order");
  }

  bool parse_entity_scope(std::string_view variable, ScopeConstraint& scope) {
    const std::uint32_t begin = cursor_.begin();
    if (!scope_variable(variable)) return false;
    const std::string slot = std::format("?{}", variable);
    if (cursor_.take(Token::equal)) {
      scope.kind = ScopeConstraint::Kind::equal;
      if (!entity_or_slot(slot, scope)) return false;
    } else if (cursor_.take_word("in")) {
      scope.kind = ScopeConstraint::Kind::in;
      if (!entity_or_slot(slot, scope)) return false;
    } else if (cursor_.take_word("is")) {
      scope.kind = ScopeConstraint::Kind::is;
      if (!cursor_.path("an entity type", scope.type)) return false;
      if (cursor_.at(Token::equal))
        return cursor_.expected("`in`, `,` or `)`", "`is` does not combine with `==`");
      if (cursor_.take_word("in")) {
        scope.kind = ScopeConstraint::Kind::is_in;
        if (!entity_or_slot(slot, scope)) return false;
      }
    } else if (!cursor_.at(Token::comma) && !cursor_.at(Token::right_paren)) {
      return cursor_.expected("`==`, `in`, `is`, `,` or `)`",
                              "other comparisons go into a `when { }`");
    }
    scope.span = {begin, cursor_.end()};
    return true;
  }

  bool entity_or_slot(std::string_view slot, ScopeConstraint& scope) {
    if (cursor_.at(Token::slot)) {
      if (cursor_.text(cursor_.peek()) != slot) return cursor_.expected(std::format("`{}`", slot));
      cursor_.next();
      scope.slot = true;
      return true;
    }
    if (cursor_.at(Token::left_bracket))
      return cursor_.expected("one entity", "a list of entities is possible for the action only");
    EntityUid uid;
    if (!cursor_.entity(uid)) return false;
    scope.uids = arena_.copy(std::span<const EntityUid>(&uid, 1));
    return true;
  }

  bool parse_action_scope(ScopeConstraint& scope) {
    const std::uint32_t begin = cursor_.begin();
    if (!scope_variable("action")) return false;
    std::vector<EntityUid> uids;
    if (cursor_.take(Token::equal)) {
      scope.kind = ScopeConstraint::Kind::equal;
      if (!action_entity(uids)) return false;
    } else if (cursor_.take_word("in")) {
      if (cursor_.take(Token::left_bracket)) {
        scope.kind = ScopeConstraint::Kind::in_any;
        while (!cursor_.at(Token::right_bracket)) {
          if (!action_entity(uids)) return false;
          if (!cursor_.take(Token::comma)) break;
        }
        if (!cursor_.expect(Token::right_bracket, "`,` or `]`")) return false;
      } else {
        scope.kind = ScopeConstraint::Kind::in;
        if (!action_entity(uids)) return false;
      }
    } else if (!cursor_.at(Token::comma) && !cursor_.at(Token::right_paren)) {
      return cursor_.expected("`==`, `in`, `,` or `)`",
                              cursor_.at_word("is") ? "`is` is not possible for the action" : "");
    }
    scope.uids = arena_.copy(std::span<const EntityUid>(uids));
    scope.span = {begin, cursor_.end()};
    return true;
  }

  bool action_entity(std::vector<EntityUid>& uids) {
    const std::uint32_t begin = cursor_.begin();
    EntityUid uid;
    if (!cursor_.entity(uid)) return false;
    if (uid.type() != "Action" && !uid.type().ends_with("::Action"))
      return cursor_.fail(
          begin,
          std::format("expected an entity of a type named `Action`, found `{}`", to_text(uid)));
    uids.push_back(uid);
    return true;
  }
  bool parse_conditions(Policy& policy) {
    std::vector<Condition> conditions;
    ExpressionParser expressions(cursor_, reads_temporal_);
    while (cursor_.at_word("when") || cursor_.at_word("unless")) {
      const std::uint32_t begin = cursor_.begin();
      Condition condition;
      condition.unless = cursor_.text(cursor_.next()) == "unless";
      if (cursor_.at_word("temporal")) {
        condition.expression = expressions.temporal(cursor_.begin());
        if (condition.expression == nullptr) return false;
      } else {
        if (!cursor_.expect(Token::left_brace, "`{`")) return false;
        if (cursor_.at(Token::right_brace))
          return cursor_.expected("a condition", "it cannot be empty; write `true`");
        condition.expression = expressions.expression();
        if (condition.expression == nullptr ||
            !cursor_.expect(Token::right_brace, "an operator or `}`"))
          return false;
      }
      condition.span = {begin, cursor_.end()};
      conditions.push_back(condition);
    }
    policy.conditions = arena_.copy(std::span<const Condition>(conditions));
    const auto blocks = arena_.array<TemporalBlock>(expressions.blocks().size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      TemporalBlock& block = *expressions.blocks()[i];
      block.history = policy.annotation("history").value_or("");
      blocks[i] = block;
    }
    policy.temporal = blocks;
    return true;
  }

  Cursor cursor_;
  Arena& arena_;
  bool reads_temporal_ = false;
};

}  // namespace

base::Result<void> check_encoding(const SourceFile& file) {
  if (base::is_utf8(file.text)) return {};
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::size_t end = i + 1 < file.lines.size() ? file.lines[i + 1] : file.text.size();
    if (!base::is_utf8(std::string_view(file.text).substr(file.lines[i], end - file.lines[i])))
      return base::fail(base::Code::malformed,
                        std::format("{}:{}:1: this line is not UTF-8", file.name, i + 1));
  }
  return base::fail(base::Code::malformed, std::format("{}:1:1: not UTF-8", file.name));
}

base::Result<std::vector<Policy>> parse_policy_text(const SourceFile& file, Arena& arena,
                                                    const PolicyLimits& limits) {
  if (auto encoding = check_encoding(file); !encoding) return std::unexpected(encoding.error());
  return Parser(file, arena).policies(limits);
}

std::vector<base::Error> syntax_errors(std::string_view text, std::string_view file,
                                       const PolicyLimits& limits, std::size_t most) {
  const SourceFile source(file, text);
  if (auto encoding = check_encoding(source); !encoding) return {std::move(encoding).error()};
  Arena arena;
  return Parser(source, arena).errors(limits, most);
}

}  // namespace latticegate::cedar
