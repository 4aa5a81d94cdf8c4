// What a person said to a request for an approval: asked in the client itself, or anywhere.
#pragma once
#include <string_view>

#include "gateway/worker.h"
#include "json/value.h"

namespace latticegate::gateway {

// The client's result for the question that it was asked in the protocol; `request` is the
// approval's id. Whoever closes the question without an answer leaves it to others.
void answer_as_client(Worker& worker, const Snapshot& snapshot, const Principal& principal,
                      std::string_view request, json::Value result);

// Records and counts an answer; `person` as records name people.
void tell_approval(Worker& worker, const ApprovalRequest& answered, std::string_view person);

}  // namespace latticegate::gateway
