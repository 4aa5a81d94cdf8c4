#include "audit/tree.h"

#include <algorithm>
#include <bit>
#include <format>

namespace latticegate::audit {
namespace {

using base::Code;
using base::fail;
using base::Result;

// Where a path from a node to the root stands: the node's index and that of the last node, on one
// level.
struct Climb {
  std::uint64_t at = 0;
  std::uint64_t last = 0;
  unsigned level = 0;

  bool done() const { return last == 0; }
  bool from_left() const { return (at & 1U) != 0; }             // the sibling is on the left
  bool promoted() const { return !from_left() && at == last; }  // no sibling on this level
  void up() {
    at >>= 1U;
    last >>= 1U;
    ++level;
  }
};

// The climb of a consistency proof starts at the widest complete node that ends the older tree.
Climb last_node(std::uint64_t older, std::uint64_t newer) {
  const auto level = static_cast<unsigned>(std::countr_zero(older));
  return {(older - 1) >> level, (newer - 1) >> level, level};
}

std::size_t siblings(Climb climb) {
  std::size_t count = 0;
  for (; !climb.done(); climb.up()) count += climb.promoted() ? 0U : 1U;
  return count;
}

// Folds the complete nodes of [begin, end) from the right, where they are those of a right edge.
Result<Digest> edge(std::uint64_t begin, std::uint64_t end, const NodeSource& source) {
  std::optional<Digest> hash;
  while (begin < end) {  // the narrowest node ends where `end` does
    const auto level = static_cast<unsigned>(std::countr_zero(end - begin));
    end -= std::uint64_t{1} << level;
    const auto node = source.node({level, end >> level});
    if (!node) return std::unexpected(node.error());
    hash = hash ? node_hash(*node, *hash) : *node;
  }
  return hash ? *hash : empty_root();
}

Result<void> collect(Climb climb, std::uint64_t size, const NodeSource& source, Proof& proof) {
  for (; !climb.done(); climb.up()) {
    if (climb.promoted()) continue;
    const std::uint64_t index = climb.from_left() ? climb.at - 1 : climb.at + 1;
    // Only the last node of a level can be incomplete; then it is a right edge of its own.
    const auto hash = index == climb.last ? edge(index << climb.level, size, source)
                                          : source.node({climb.level, index});
    if (!hash) return std::unexpected(hash.error());
    proof.push_back(*hash);
  }
  return {};
}

bool allowed(std::uint64_t size) { return size <= tree_size_limit; }

}  // namespace

Digest node_hash(const Digest& left, const Digest& right) {
  std::array<std::byte, 1 + 2 * sizeof(Digest)> bytes;
  bytes[0] = std::byte{1};
  std::ranges::copy(left, bytes.begin() + 1);
  std::ranges::copy(right, bytes.begin() + 1 + sizeof(Digest));
  return crypto::sha256(bytes);
}

Digest empty_root() { return crypto::sha256(std::string_view()); }

void CompactRange::append(const Digest& leaf) {
  push(leaf, [](Position, const Digest&) {});
}

void CompactRange::append(const Digest& leaf, std::vector<Node>& completed) {
  push(leaf, [&](Position at, const Digest& hash) { completed.push_back({at, hash}); });
}

template <class Completed>
void CompactRange::push(const Digest& leaf, Completed completed) {
  base::check(size_ < tree_size_limit, "a tree has a size that its formats can say");
  Digest hash = leaf;
  unsigned level = 0;
  completed(Position{0, size_}, hash);
  for (; ((size_ >> level) & 1U) != 0; ++level) {
    hash = node_hash(nodes_[level], hash);
    completed(Position{level + 1, size_ >> (level + 1)}, hash);
  }
  nodes_[level] = hash;
  ++size_;
}

Digest CompactRange::root() const {
  if (size_ == 0) return empty_root();
  auto level = static_cast<unsigned>(std::countr_zero(size_));
  Digest hash = nodes_[level];
  for (++level; level < nodes_.size(); ++level) {
    if (((size_ >> level) & 1U) != 0) hash = node_hash(nodes_[level], hash);
  }
  return hash;
}

std::string CompactRange::bytes() const {
  std::string out;
  for (unsigned shift = 64; shift > 0; shift -= 8)
    out += static_cast<char>((size_ >> (shift - 8)) & 0xFFU);
  for (auto level = static_cast<unsigned>(nodes_.size()); level-- > 0;) {
    if (((size_ >> level) & 1U) != 0) out += base::text_of(nodes_[level]);
  }
  return out;
}

Result<CompactRange> CompactRange::from_bytes(std::string_view bytes) {
  if (bytes.size() < 8) return fail(Code::malformed, "a compact range is cut off");
  CompactRange range;
  for (const char c : bytes.substr(0, 8))
    range.size_ = (range.size_ << 8U) | static_cast<unsigned char>(c);
  bytes.remove_prefix(8);
  if (!allowed(range.size_)) return fail(Code::too_large, "a compact range is above the limit");
  const auto count = static_cast<std::size_t>(std::popcount(range.size_));
  if (bytes.size() != count * sizeof(Digest))
    return fail(Code::malformed,
                std::format("a compact range of size {} has {} hashes, not {} bytes", range.size_,
                            count, bytes.size()));
  for (auto level = static_cast<unsigned>(range.nodes_.size()); level-- > 0;) {
    if (((range.size_ >> level) & 1U) == 0) continue;
    std::ranges::copy(base::bytes_of(bytes.substr(0, sizeof(Digest))), range.nodes_[level].begin());
    bytes.remove_prefix(sizeof(Digest));
  }
  return range;
}

Result<Digest> root_at(std::uint64_t size, const NodeSource& source) {
  if (!allowed(size)) return fail(Code::invalid, "a tree size is above the limit");
  return edge(0, size, source);
}

Result<CompactRange> range_at(std::uint64_t size, const NodeSource& source) {
  if (!allowed(size)) return fail(Code::invalid, "a tree size is above the limit");
  std::string state;
  for (unsigned shift = 64; shift > 0; shift -= 8)
    state += static_cast<char>((size >> (shift - 8)) & 0xFFU);
  for (unsigned level = 63; level-- > 0;) {
    if (((size >> level) & 1U) == 0) continue;
    // The node of this bit is the last one of its level.
    const auto hash = source.node({level, (size >> level) - 1});
    if (!hash) return std::unexpected(hash.error());
    state += base::text_of(*hash);
  }
  return CompactRange::from_bytes(state);
}

std::optional<std::size_t> inclusion_size(std::uint64_t index, std::uint64_t size) {
  if (!allowed(size) || index >= size) return std::nullopt;
  return siblings({index, size - 1});
}

std::optional<std::size_t> consistency_size(std::uint64_t older, std::uint64_t newer) {
  if (!allowed(newer) || older == 0 || older > newer) return std::nullopt;
  if (older == newer) return 0;
  return siblings(last_node(older, newer)) + (std::has_single_bit(older) ? 0 : 1);
}

Result<Proof> prove_inclusion(std::uint64_t index, std::uint64_t size, const NodeSource& source) {
  if (!inclusion_size(index, size))
    return fail(Code::invalid, std::format("no leaf {} in a tree of {}", index, size));
  Proof proof;
  if (auto done = collect({index, size - 1}, size, source, proof); !done)
    return std::unexpected(std::move(done.error()));
  return proof;
}

Result<Proof> prove_consistency(std::uint64_t older, std::uint64_t newer,
                                const NodeSource& source) {
  if (!consistency_size(older, newer))
    return fail(Code::invalid, std::format("no proof from size {} to {}", older, newer));
  Proof proof;
  if (older == newer) return proof;
  const Climb climb = last_node(older, newer);
  if (!std::has_single_bit(older)) {  // else the older root itself is that node
    const auto first = source.node({climb.level, climb.at});
    if (!first) return std::unexpected(first.error());
    proof.push_back(*first);
  }
  if (auto done = collect(climb, newer, source, proof); !done)
    return std::unexpected(std::move(done.error()));
  return proof;
}

Result<void> verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf,
                              std::span<const Digest> proof, const Digest& root) {
  const auto expected = inclusion_size(index, size);
  if (!expected) return fail(Code::invalid, std::format("no leaf {} in a tree of {}", index, size));
  if (proof.size() != *expected)
    return fail(Code::invalid, std::format("an inclusion proof of {} in {} has {} hashes, not {}",
                                           index, size, *expected, proof.size()));
  Digest hash = leaf;
  auto next = proof.begin();
  for (Climb climb{index, size - 1}; !climb.done(); climb.up()) {
    if (climb.promoted()) continue;
    hash = climb.from_left() ? node_hash(*next, hash) : node_hash(hash, *next);
    ++next;
  }
  if (hash != root)
    return fail(Code::crypto, std::format("leaf {} is not in that tree of {}", index, size));
  return {};
}

Result<void> verify_consistency(std::uint64_t older, std::uint64_t newer, const Digest& older_root,
                                const Digest& newer_root, std::span<const Digest> proof) {
  const auto expected = consistency_size(older, newer);
  if (!expected)
    return fail(Code::invalid, std::format("no proof from size {} to {}", older, newer));
  if (proof.size() != *expected)
    return fail(Code::invalid,
                std::format("a consistency proof from {} to {} has {} hashes, not {}", older, newer,
                            *expected, proof.size()));
  Digest was = older_root;
  auto next = proof.begin();
  if (!std::has_single_bit(older) && older != newer) was = *next++;
  Digest is = was;
  if (older != newer) {
    for (Climb climb = last_node(older, newer); !climb.done(); climb.up()) {
      if (climb.promoted()) continue;
      if (climb.from_left()) was = node_hash(*next, was);
      is = climb.from_left() ? node_hash(*next, is) : node_hash(is, *next);
      ++next;
    }
  }
  if (was != older_root || is != newer_root)
    return fail(Code::crypto,
                std::format("the tree of {} does not begin with that of {}", newer, older));
  return {};
}

}  // namespace latticegate::audit
