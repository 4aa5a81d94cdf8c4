// The compiled form of a Condition.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cedar/arena.h"
#include "temporal/condition.h"
#include "temporal/datum.h"

namespace latticegate::temporal {

inline constexpr std::uint32_t none = UINT32_MAX;
using Slots = std::uint64_t;  // a set of variables
inline Slots bit(std::uint32_t slot) { return Slots{1} << slot; }

struct Operand {
  enum class Kind : std::uint8_t { literal, parameter, slot, aggregate };
  Kind kind = Kind::literal;
  std::uint32_t index = 0;  // all but literal
  Datum literal{};
};

// A value of the request that is decided.
struct Parameter {
  cedar::TemporalTerm::Kind root{};  // context, principal, resource
  std::span<const cedar::Name> path;
};

// Which events there are: those of an action (or of a group of actions) and a kind, with literal
// fields as they are; the others are columns.
struct Pattern {
  cedar::EntityUid action;
  std::string_view kind;
  struct Literal {
    std::span<const cedar::Name> path;
    Datum value;
  };
  std::vector<Literal> literals;
  struct Column {
    std::span<const cedar::Name> path;
    Operand operand;  // parameter or slot
  };
  std::vector<Column> columns;
};

// The body of an operator that can be judged when its event happens.
struct Capture {
  std::uint32_t pattern = 0;
  struct Key {
    std::uint32_t column = 0;
    Operand operand;  // what it is compared with when the condition is asked
  };
  std::vector<Key> keys;
  struct Bound {
    std::uint32_t column = 0;  // or `none`: the number of the event
    std::uint32_t slot = 0;
  };
  std::vector<Bound> binds;                                   // what it gives to the rest
  std::vector<std::pair<std::uint32_t, std::uint32_t>> same;  // columns that have to be equal
  std::vector<std::uint32_t> filters;                         // nodes
};

// What is kept of the events that a capture takes.
struct TablePlan {
  enum class Keep : std::uint8_t {
    last,      // of each key the latest event
    each,      // every event
    distinct,  // of equal rows the latest
    two,       // the latest two events, whatever their keys: for `previous`
    run,       // for how many events in a row one key has held: for the left side of `since`
  };
  Keep keep = Keep::last;
  Capture capture;
  std::int64_t window = 0;      // nanoseconds
  std::uint32_t summed = none;  // position in `binds`
};

struct Node {
  cedar::TemporalFormula::Op op{};
  cedar::TemporalFormula::Comparison comparison{};
  std::int64_t window = 0;  // nanoseconds
  std::vector<std::uint32_t> operands;
  Operand left;
  Operand right;
  std::uint32_t slot = none;     // exists, moment
  std::uint32_t pattern = none;  // event
  // For an operator that is asked at the present: where its events are kept, else `none`.
  std::uint32_t table = none;
  std::uint32_t left_table = none;  // since
  bool left_negated = false;        // since, with left_table
};

struct Aggregate {
  bool sum = false;
  std::uint32_t summed = none;
  std::vector<std::uint32_t> domain;
  std::uint32_t body = none;
  std::uint32_t table = none;  // its count and sum are at hand
};

struct Condition::Code {
  std::string text;
  std::string fingerprint;   // of the text
  cedar::Arena arena{1024};  // of names and ids
  std::vector<Node> nodes;   // operands before their owners; the last is the whole
  std::vector<Aggregate> aggregates;
  std::vector<Parameter> parameters;
  std::vector<Pattern> patterns;
  std::vector<TablePlan> tables;
  std::uint32_t slots = 0;
  std::int64_t horizon = 0;  // nanoseconds
  bool keeps_events = false;
  bool sees_present = false;  // looks at the event that is decided
};

}  // namespace latticegate::temporal
