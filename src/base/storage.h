// Giving memory back.
#pragma once

namespace latticegate::base {

// Empties a string or vector and frees what it had reserved. (`text = {}` assigns an empty list,
// which keeps the memory.)
template <class Container>
void free_storage(Container& container) noexcept {
  Container().swap(container);
}

}  // namespace latticegate::base
