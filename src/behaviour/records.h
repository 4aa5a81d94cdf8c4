// How many records an answer brings, and how many a call asks for: the sizes that turn when a model
// is turned.
//
// A record is whatever the data is a list of: elements of an array, rows of a table, lines of a
// listing, blocks of content. Counting is a measure, not a parse: it never fails, costs one pass,
// and prefers the larger reading, because whoever wants to hide 5,000 rows can choose the format.
// The same answer always counts the same, which is all that a baseline needs.
//
// Counted in an answer
//   structuredContent   the longest array at depth <= 6; texts inside it like the texts below
//   text content        JSON values in it (also after prose, in fences, one per line, cut short):
//   the longest array at
//                       depth <= 6 or the number of values; Markdown, psql and mysql tables: rows;
//                       CSV and TSV: lines after the header; listings ("- x", "1. x", "[FILE] x",
//                       "/path"): lines; otherwise one
//   other content       one per block
// The larger of structuredContent and content counts, since servers send both forms of one answer.
//
// Seen in arguments: numbers under keys such as limit, page_size, max_results, top; LIMIT, TOP and
// FETCH FIRST of the outermost query in SQL text; the longest array (a list of ids). Ranges (from,
// to) are not understood.
//
// Posture: answers and arguments are hostile. Pure, no recursion deeper than 6, linear in the size
// of the value, no allocation. Fuzz target: fuzz/records_fuzz.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "json/value.h"

namespace latticegate::behaviour {

// Of the `result` of tools/call, resources/read, prompts/get or any other answer. An absent value
// counts 0.
std::uint64_t count_records(json::Value result);

// Of one text, as above; 0 when it is empty or white space.
std::uint64_t count_records_in_text(std::string_view text);

// The largest number of records that `params.arguments` asks for, if it says so.
std::optional<std::uint64_t> asked_records(json::Value arguments);

// The row limit of the outermost query of an SQL text, if it has a literal one.
std::optional<std::uint64_t> sql_limit(std::string_view sql);

}  // namespace latticegate::behaviour
