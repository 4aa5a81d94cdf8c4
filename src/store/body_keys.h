// The data keys of a log's bodies on disk: one wrapped key a file, in a folder of their own that is
// not the log's. A log that is copied or backed up is unreadable without that folder, and a key
// that is destroyed here makes its bodies unreadable wherever they were copied to.
//
//   <folder>/<first two digits of id>/<id>.key        audit/data_key.h
//
// Threads: each object belongs to one; several objects, also of several processes, may have the
// same folder. forget() and a look at the disk bring what others changed. Memory: some 100 bytes a
// key, and at most `open_keys` unwrapped ones.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/data_key.h"
#include "base/result.h"
#include "crypto/random.h"

namespace latticegate::store {

using WrappingKeys = std::vector<audit::WrappingKey>;

class BodyKeys {
 public:
  static constexpr std::size_t open_keys = 4096;

  // Makes the folder if need be. At least one wrapping key; the first is for new data keys.
  [[nodiscard]] static base::Result<BodyKeys> open(std::filesystem::path folder,
                                                   std::shared_ptr<const WrappingKeys> keks);

  // The key for that purpose, made if there is none. Valid until the next call.
  [[nodiscard]] base::Result<const audit::DataKey*> key_for(const audit::KeyPurpose& purpose);
  // One by its id, from the disk. Code::not_found: destroyed, or never here.
  [[nodiscard]] base::Result<audit::DataKey> find(std::string_view id) const;
  // All that are on the disk now. What is no key is left out.
  [[nodiscard]] base::Result<std::vector<audit::KeyInfo>> list() const;
  // Durable when it returns. Fine if it is gone already.
  [[nodiscard]] base::Result<void> destroy(std::string_view id);
  // Wraps every key that is wrapped by another one by the first wrapping key; gives how many.
  [[nodiscard]] base::Result<std::size_t> rewrap();
  // Lets what is in memory go; keys that others destroyed are not used any more.
  void forget();

 private:
  BodyKeys(std::filesystem::path folder, std::shared_ptr<const WrappingKeys> keks)
      : folder_(std::move(folder)), keks_(std::move(keks)) {}
  [[nodiscard]] base::Result<void> look();
  std::filesystem::path path_of(std::string_view id) const;

  std::filesystem::path folder_;
  std::shared_ptr<const WrappingKeys> keks_;
  bool looked_ = false;
  std::map<audit::KeyPurpose, std::string> ids_;
  std::map<std::string, audit::DataKey, std::less<>> open_;
};

}  // namespace latticegate::store
