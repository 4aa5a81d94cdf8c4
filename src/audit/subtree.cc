#include "audit/subtree.h"

#include <bit>

namespace latticegate::audit {

using base::Code;
using base::fail;
using base::Result;

bool is_subtree(Subtree subtree) {
  if (subtree.start >= subtree.end || subtree.end > tree_size_limit) return false;
  return subtree.start % std::bit_ceil(subtree.end - subtree.start) == 0;
}

Result<void> verify_subtree_inclusion(std::uint64_t index, Subtree subtree, const Digest& leaf,
                                      std::span<const Digest> proof, const Digest& root) {
  if (!is_subtree(subtree) || index < subtree.start || index >= subtree.end)
    return fail(Code::invalid, "there is no such leaf in such a subtree");
  return verify_inclusion(index - subtree.start, subtree.end - subtree.start, leaf, proof, root);
}

Result<void> verify_subtree_consistency(Subtree subtree, std::uint64_t size,
                                        const Digest& subtree_root, const Digest& root,
                                        std::span<const Digest> proof) {
  if (!is_subtree(subtree) || subtree.end > size || size > tree_size_limit)
    return fail(Code::invalid, "there is no such subtree in a tree of that size");
  // The way from the subtree's last node up to the root: `first` and `node` are the subtree's
  // first and last nodes on a level, `last` the tree's.
  std::uint64_t first = subtree.start;
  std::uint64_t node = subtree.end - 1;
  std::uint64_t last = size - 1;
  const auto up = [&] {
    first >>= 1U;
    node >>= 1U;
    last >>= 1U;
  };
  // Where both end in the same place, or the node is a right one, nothing beside it is needed yet.
  const bool same_end = node == last;
  while (first != node && (same_end || node % 2 == 1)) up();
  Digest part = subtree_root;
  if (first != node) {
    if (proof.empty()) return fail(Code::invalid, "the proof is too short");
    part = proof.front();
    proof = proof.subspan(1);
  }
  Digest whole = part;
  for (const Digest& beside : proof) {
    if (last == 0) return fail(Code::invalid, "the proof is too long");
    if (node % 2 == 1 || node == last) {
      if (first < node) part = node_hash(beside, part);
      whole = node_hash(beside, whole);
      while (node % 2 == 0) up();
    } else {
      whole = node_hash(whole, beside);
    }
    up();
  }
  if (last != 0) return fail(Code::invalid, "the proof is too short");
  if (part != subtree_root || whole != root)
    return fail(Code::crypto, "the subtree is not a part of that tree");
  return {};
}

}  // namespace latticegate::audit
