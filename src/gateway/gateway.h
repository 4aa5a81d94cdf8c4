// Gateway: the running program: loops, listeners, workers, the journal, and the way to stop and to
// reload.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "config/config.h"
#include "store/file.h"

namespace latticegate::gateway {

class Gateway {
 public:
  // Reads the configuration again, for a reload.
  using ReadConfig = std::function<base::Result<std::shared_ptr<const config::Config>>()>;

  // Opens the log and the state, loads policies and rules, binds the addresses. Nothing is served
  // before run().
  [[nodiscard]] static base::Result<std::unique_ptr<Gateway>> start(
      std::shared_ptr<const config::Config> config, ReadConfig read, const base::Clock& clock,
      const base::Log& log);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // "https://127.0.0.1:8443", with the real port.
  std::string address() const;
  // Serves until stop() has drained everything. The calling thread is the first loop.
  void run();
  // Ends politely: no new connections, calls under way may finish within the drain time. Any
  // thread.
  void stop();
  // Reads the configuration and policies again and swaps them in, or keeps what is in force and
  // says why. Any thread.
  void reload();

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace latticegate::gateway
