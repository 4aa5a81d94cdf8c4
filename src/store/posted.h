// Leaves that nobody waits for, one behind the other in one buffer.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "audit/record.h"
#include "store/append.h"

namespace latticegate::store {

struct Posted {
  struct Piece {
    std::size_t size;
    std::uint32_t seq_at;
    std::uint32_t body_at;
    std::unique_ptr<const KeptBody> body;
  };
  std::vector<Piece> pieces;
  std::string text;

  void add(audit::Leaf leaf, std::unique_ptr<const KeptBody> body) {
    pieces.push_back({.size = leaf.text.size(),
                      .seq_at = leaf.seq_at,
                      .body_at = leaf.body_at,
                      .body = std::move(body)});
    text += leaf.text;
  }
  void append(Posted& other) {
    std::ranges::move(other.pieces, std::back_inserter(pieces));
    text += other.text;
  }
  void clear() {
    pieces.clear();
    text.clear();
  }
  bool empty() const { return pieces.empty(); }
};

}  // namespace latticegate::store
