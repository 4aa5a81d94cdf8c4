// What can be told of a leaf without reading all of it. For leaves as RecordWriter writes them, out
// of a log; of other texts nothing is said that would be true.
#pragma once
#include <string_view>

namespace latticegate::audit {

// "call.decided"; empty where there is none.
std::string_view type_of(std::string_view leaf);

}  // namespace latticegate::audit
