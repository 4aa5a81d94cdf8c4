// A witness's memory: its keys, and the last checkpoint that it signed of each log, in a folder.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/witness.h"
#include "base/result.h"
#include "store/log_keys.h"

namespace latticegate::app {

class WitnessBook {
 public:
  // Makes the witness's keys at the first time. `log_keys`: of the logs that it signs; all keys of
  // a log's name must have signed.
  [[nodiscard]] static base::Result<WitnessBook> open(std::filesystem::path folder,
                                                      std::string_view name,
                                                      std::vector<audit::VerifierKey> log_keys);

  // Looks up, judges and stores as one step, durably before it returns, whatever other processes do
  // in the same folder. Errors are of the folder; a refusal is an answer.
  [[nodiscard]] base::Result<audit::WitnessAnswer> answer(std::string_view request);
  // What was signed last of a log; nothing if nothing was.
  [[nodiscard]] base::Result<std::optional<audit::Checkpoint>> last(std::string_view origin) const;
  std::filesystem::path kept(std::string_view origin) const;
  std::string public_text() const { return own_.public_text(); }

 private:
  WitnessBook(std::filesystem::path folder, store::LogKeys own,
              std::vector<audit::VerifierKey> log_keys)
      : folder_(std::move(folder)), own_(std::move(own)), log_keys_(std::move(log_keys)) {}
  std::filesystem::path folder_;
  store::LogKeys own_;
  std::vector<audit::VerifierKey> log_keys_;
};

}  // namespace latticegate::app
