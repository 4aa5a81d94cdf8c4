// The Merkle tree over the log's leaves: RFC 9162 (and 6962) with SHA-256.
//
// A tree of n leaves is made of complete nodes, each addressed by level and index, which never
// change once their last leaf is there; only those are stored. CompactRange is what a writer keeps:
// one hash per bit of n. Proofs are made from a NodeSource, which finds complete nodes wherever
// they are (memory, tiles).
//
// Pure and without locks: one writer per CompactRange. An append hashes once on average and
// log2(n) times at most.
//
// Posture: proofs, roots and sizes come from whoever wants to be believed. The verifiers compute
// how long a proof has to be before they hash anything, and accept that length only. Limit: sizes
// to tree_size_limit. Leaf hashes are made by leaf_hash() in segment.h.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/hash.h"

namespace latticegate::audit {

using crypto::Digest;

// What a signed 64-bit number holds, which is what other implementations count with.
inline constexpr std::uint64_t tree_size_limit = (std::uint64_t{1} << 63U) - 1;
inline constexpr std::size_t proof_limit = 64;  // hashes in any proof below that size

// SHA-256(0x01 || left || right).
Digest node_hash(const Digest& left, const Digest& right);
// The root of the tree without leaves: SHA-256 of nothing.
Digest empty_root();

// A complete node: the root over the leaves [index << level, (index + 1) << level).
struct Position {
  unsigned level = 0;  // 0 is a leaf
  std::uint64_t index = 0;
  auto operator<=>(const Position&) const = default;
};

struct Node {
  Position at;
  Digest hash;
};

// The right edge of a growing tree.
class CompactRange {
 public:
  // Adds the next leaf's hash. The size must be below tree_size_limit.
  void append(const Digest& leaf);
  // The same; also gives the nodes that it completed, the leaf first and upwards from there.
  void append(const Digest& leaf, std::vector<Node>& completed);

  std::uint64_t size() const { return size_; }
  Digest root() const;

  // The state: the size as eight bytes, big-endian, and one hash per bit of it, widest node first.
  // The hashes cannot be checked alone: compare root() with one that is signed.
  std::string bytes() const;
  [[nodiscard]] static base::Result<CompactRange> from_bytes(std::string_view bytes);

 private:
  template <class Completed>
  void push(const Digest& leaf, Completed completed);
  std::uint64_t size_ = 0;
  std::array<Digest, 63> nodes_{};  // by level; meaningful where size_ has that bit
};

// Where complete nodes are found.
class NodeSource {
 public:
  NodeSource() = default;
  NodeSource(const NodeSource&) = delete;
  NodeSource& operator=(const NodeSource&) = delete;
  virtual ~NodeSource() = default;
  // Asked only for nodes that are complete in the tree at hand.
  [[nodiscard]] virtual base::Result<Digest> node(Position at) const = 0;
};

using Proof = std::vector<Digest>;  // from the leaves upwards

// Of the tree as it was at that size. These read one node per hash, and at most 63 more for the
// right edge. Code::invalid for sizes and indices that make no sense; errors of the source pass.
[[nodiscard]] base::Result<Digest> root_at(std::uint64_t size, const NodeSource& source);
// The state of a writer that has appended that many leaves.
[[nodiscard]] base::Result<CompactRange> range_at(std::uint64_t size, const NodeSource& source);
// That leaf `index` is in the tree of `size` leaves: index < size.
[[nodiscard]] base::Result<Proof> prove_inclusion(std::uint64_t index, std::uint64_t size,
                                                  const NodeSource& source);
// That the tree of `older` leaves is the beginning of the tree of `newer`: 0 < older <= newer.
[[nodiscard]] base::Result<Proof> prove_consistency(std::uint64_t older, std::uint64_t newer,
                                                    const NodeSource& source);

// How many hashes the proof has; nothing where there is no such proof.
std::optional<std::size_t> inclusion_size(std::uint64_t index, std::uint64_t size);
std::optional<std::size_t> consistency_size(std::uint64_t older, std::uint64_t newer);

// Code::invalid: no such proof, or its length is wrong. Code::crypto: it proves something else.
[[nodiscard]] base::Result<void> verify_inclusion(std::uint64_t index, std::uint64_t size,
                                                  const Digest& leaf, std::span<const Digest> proof,
                                                  const Digest& root);
[[nodiscard]] base::Result<void> verify_consistency(std::uint64_t older, std::uint64_t newer,
                                                    const Digest& older_root,
                                                    const Digest& newer_root,
                                                    std::span<const Digest> proof);

}  // namespace latticegate::audit
