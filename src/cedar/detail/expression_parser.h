// The parser of the expressions of one policy: what stands between the braces of its conditions.
//
// A recursive descent; every function returns null or false after the cursor has noted an error.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "cedar/arena.h"
#include "cedar/detail/cursor.h"
#include "cedar/expression.h"
#include "cedar/temporal.h"

namespace latticegate::cedar {

class ExpressionParser {
 public:
  using Node = const Expression*;
  // `temporal`: whether `temporal { ... }` is read. The cursor outlives it.
  ExpressionParser(Cursor& cursor, bool temporal)
      : cursor_(cursor), arena_(cursor.arena()), temporal_(temporal) {}

  // Up to what cannot belong to it.
  Node expression();
  // `temporal { condition }`, which began there: what it computes comes to Cedar as an attribute of
  // the context, which gets its name together with the policy.
  Node temporal(std::uint32_t begin);
  // The temporal conditions that were read, in their order.
  std::span<TemporalBlock* const> blocks() const { return blocks_; }

 private:
  Node fail(std::uint32_t offset, std::string_view message);
  Node too_deep(std::uint32_t offset);
  Node finish(Expression node, std::uint32_t begin, std::span<const Node> operands);
  Node make(Op op, std::uint32_t begin, std::initializer_list<Node> operands);
  Node literal(const Value& value, std::uint32_t begin);
  Node conditional(std::uint32_t begin);
  template <class Operand>
  Node chain(Op op, Token joint, const Operand& operand);
  Node disjunction();
  Node conjunction();
  Node product();
  Node sum();
  Node relation();
  Node has(Node left, std::uint32_t begin);
  Node unary();
  Node integer(bool negative, std::uint32_t begin);
  Node member();
  bool list(Token close, std::string_view what, std::vector<Node>& out);
  Node method(Node self, std::string_view name, std::uint32_t place, std::uint32_t begin);
  Node call(std::string_view name, std::uint32_t begin);
  Node primary();
  Node word(std::uint32_t begin);
  Node record(std::uint32_t begin);
  Value constant_call(Function function, const std::vector<Node>& operands);
  Value constant_set(const std::vector<Node>& elements);
  Value constant_record(const std::vector<Name>& names, const std::vector<Node>& operands);

  Cursor& cursor_;
  Arena& arena_;
  bool temporal_;
  std::uint32_t nesting_ = 0;
  std::vector<TemporalBlock*> blocks_;
};

}  // namespace latticegate::cedar
