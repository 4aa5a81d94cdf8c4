// Only policy::Engine can make a Permit.
#include "policy/engine.h"

using namespace latticegate::policy;

bool allowed(const Permit& permit);
bool allowed(const Permit& permit) { return permit.epoch() > 0; }

Permit passed_on(Permit permit);
Permit passed_on(Permit permit) {
#ifdef REFUSED
  Permit made;  // expect: is private within this context
  (void)made;
#endif
  return permit;
}
