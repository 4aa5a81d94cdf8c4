// The rule files of src/inspect/rules, embedded. LG_RULES is their folder (CMakeLists.txt, which
// also makes this source depend on them).
#include <array>
#include <string>

#include "inspect/rules.h"

// clang-format off
asm(".pushsection .rodata\n"
    "lg_rules_generic:  .incbin \"" LG_RULES "/generic.yaml\"\n"
    "lg_rules_keys:     .incbin \"" LG_RULES "/keys.yaml\"\n"
    "lg_rules_cloud:    .incbin \"" LG_RULES "/cloud.yaml\"\n"
    "lg_rules_code:     .incbin \"" LG_RULES "/code.yaml\"\n"
    "lg_rules_services: .incbin \"" LG_RULES "/services.yaml\"\n"
    "lg_rules_metadata: .incbin \"" LG_RULES "/metadata.yaml\"\n"
    "lg_rules_argument: .incbin \"" LG_RULES "/argument.yaml\"\n"
    "lg_rules_result:   .incbin \"" LG_RULES "/result.yaml\"\n"
    "lg_rules_language: .incbin \"" LG_RULES "/language.yaml\"\n"
    "lg_rules_more:     .incbin \"" LG_RULES "/more.yaml\"\n"
    "lg_rules_end:      .byte 0\n"
    ".popsection\n");
// clang-format on

extern "C" {
[[gnu::visibility("hidden")]] extern const char lg_rules_generic[];
[[gnu::visibility("hidden")]] extern const char lg_rules_keys[];
[[gnu::visibility("hidden")]] extern const char lg_rules_cloud[];
[[gnu::visibility("hidden")]] extern const char lg_rules_code[];
[[gnu::visibility("hidden")]] extern const char lg_rules_services[];
[[gnu::visibility("hidden")]] extern const char lg_rules_metadata[];
[[gnu::visibility("hidden")]] extern const char lg_rules_argument[];
[[gnu::visibility("hidden")]] extern const char lg_rules_result[];
[[gnu::visibility("hidden")]] extern const char lg_rules_language[];
[[gnu::visibility("hidden")]] extern const char lg_rules_more[];
[[gnu::visibility("hidden")]] extern const char lg_rules_end[];
}

namespace latticegate::inspect {

std::vector<RuleFile> built_in_files() {
  return {{"generic.yaml", std::string(lg_rules_generic, lg_rules_keys)},
          {"keys.yaml", std::string(lg_rules_keys, lg_rules_cloud)},
          {"cloud.yaml", std::string(lg_rules_cloud, lg_rules_code)},
          {"code.yaml", std::string(lg_rules_code, lg_rules_services)},
          {"services.yaml", std::string(lg_rules_services, lg_rules_metadata)},
          {"metadata.yaml", std::string(lg_rules_metadata, lg_rules_argument)},
          {"argument.yaml", std::string(lg_rules_argument, lg_rules_result)},
          {"result.yaml", std::string(lg_rules_result, lg_rules_language)},
          {"language.yaml", std::string(lg_rules_language, lg_rules_more)},
          {"more.yaml", std::string(lg_rules_more, lg_rules_end)}};
}

}  // namespace latticegate::inspect
