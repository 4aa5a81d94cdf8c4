#include "identity/caller.h"

namespace latticegate::identity {

std::string_view name(Method method) {
  switch (method) {
    case Method::token: return "token";
    case Method::certificate: return "certificate";
    case Method::loopback_anonymous: return "loopback-anonymous";
  }
  std::unreachable();
}

}  // namespace latticegate::identity
