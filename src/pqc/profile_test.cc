#include "pqc/profile.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>

using namespace latticegate::pqc;

TEST_CASE("a profile goes round by name, and a wrong name gets a suggestion") {
  for (const auto profile : {Profile::preferred, Profile::required, Profile::cnsa})
    CHECK(parse_profile(name(profile)).value() == profile);
  CHECK(parse_profile("cnsa2").value() == Profile::cnsa);
  CHECK(parse_profile("prefered").error().detail ==
        "unknown TLS profile \"prefered\": did you mean \"preferred\"?");
  CHECK(parse_profile("").error().detail ==
        "unknown TLS profile \"\": one of preferred, required, cnsa");
}

TEST_CASE("post-quantum groups are known by any spelling that TLS libraries print") {
  for (const std::string_view group : {"X25519MLKEM768", "x25519mlkem768", "SecP256r1MLKEM768",
                                       "SecP384r1MLKEM1024", "MLKEM1024", "mlkem768"})
    CHECK_MESSAGE(is_post_quantum(group), group);
  for (const std::string_view group :
       {"", "x25519", "secp256r1", "P-384", "X25519MLKEM7689", "ffdhe3072"})
    CHECK_MESSAGE(!is_post_quantum(group), group);
}

TEST_CASE("what was negotiated is judged by the profile") {
  CHECK(acceptable(Profile::preferred, "x25519"));
  CHECK_FALSE(acceptable(Profile::required, "x25519"));
  CHECK_FALSE(acceptable(Profile::required, ""));
  CHECK(acceptable(Profile::required, "SecP256r1MLKEM768"));
  CHECK_FALSE(acceptable(Profile::cnsa, "X25519MLKEM768"));
  CHECK(acceptable(Profile::cnsa, "MLKEM1024"));
}

TEST_CASE("a strict profile names no classical group, and no list uses DEFAULT") {
  for (const auto profile : {Profile::preferred, Profile::required, Profile::cnsa}) {
    const Rules& chosen = rules(profile);
    for (std::string list :
         {std::string(chosen.server_groups), std::string(chosen.client_groups)}) {
      CHECK(list.find("DEFAULT") == std::string::npos);
      bool classical = false;
      std::string group;
      for (const char c : list + ":") {
        if (c == '*') continue;
        if (c != ':' && c != '/') {
          group += c;
          continue;
        }
        classical = classical || !is_post_quantum(group);
        group.clear();
      }
      CHECK(classical == chosen.classical_allowed);
    }
  }
}
