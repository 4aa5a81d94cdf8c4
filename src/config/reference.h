// The key table for people and for editors: a Markdown reference and a JSON Schema, both made from
// config/keys.h.
#pragma once
#include <string>

namespace latticegate::config {

// One table per top-level key. docs/guide/configuration.md holds exactly this between its markers;
// a test compares.
std::string reference_markdown();

// JSON Schema 2020-12 of the file, for editors that complete and check while typing.
std::string json_schema();

}  // namespace latticegate::config
