// Subtrees of a log's tree: the tree over the leaves [start, end) alone, as cosigners sign it whose
// line says so (C2SP tlog-cosignature), and what proves that a leaf is in one and one is in a tree.
//
// A subtree is one when start is a multiple of the smallest power of two that is not below end -
// start; then its complete nodes are nodes of the tree, too. Pure. Posture and limits: tree.h.
#pragma once
#include <cstdint>
#include <span>

#include "audit/tree.h"
#include "base/result.h"

namespace latticegate::audit {

struct Subtree {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};
bool is_subtree(Subtree subtree);

// That leaf `index` of the log is in the subtree with that root. Code::invalid: there is no such
// proof, or its length is wrong. Code::crypto: it proves something else.
[[nodiscard]] base::Result<void> verify_subtree_inclusion(std::uint64_t index, Subtree subtree,
                                                          const Digest& leaf,
                                                          std::span<const Digest> proof,
                                                          const Digest& root);
// That the subtree is a part of the tree of `size` leaves with that root. Errors as above.
[[nodiscard]] base::Result<void> verify_subtree_consistency(Subtree subtree, std::uint64_t size,
                                                            const Digest& subtree_root,
                                                            const Digest& root,
                                                            std::span<const Digest> proof);

}  // namespace latticegate::audit
