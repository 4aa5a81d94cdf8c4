# lg_flags: what every target of ours is compiled with. Presets turn warnings into errors and choose LG_SANITIZE.
set(LG_SANITIZE "" CACHE STRING "sanitizers, for example address,undefined or thread")
option(LG_HARDEN "release hardening" OFF)
option(LG_FUZZ "build the fuzz targets with libFuzzer (clang)" OFF)

add_library(lg_flags INTERFACE)
target_compile_options(lg_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast -Wcast-qual -Wcast-align -Wformat=2
  -Wundef -Wmissing-declarations -Wvla -Wextra-semi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(lg_flags INTERFACE
    -Wno-attributes=clang:: -Warith-conversion -Wuseless-cast -Wduplicated-cond -Wduplicated-branches -Wlogical-op
    -Wimplicit-fallthrough=5 -Wsuggest-override -Wredundant-tags -Walloca -Wctor-dtor-privacy
    -Wdeprecated-copy-dtor -Wbidi-chars=any -Wtrampolines -Wcatch-value=3)
endif()
if(LG_HARDEN)
  target_compile_options(lg_flags INTERFACE -fhardened -Werror=hardened -fstrict-flex-arrays=3
    -fno-strict-overflow -fno-delete-null-pointer-checks -fno-strict-aliasing)
  target_link_options(lg_flags INTERFACE -fhardened -Wl,-z,noexecstack -Wl,--as-needed -Wl,-z,separate-code)
endif()
if(LG_SANITIZE)
  target_compile_options(lg_flags INTERFACE -fsanitize=${LG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lg_flags INTERFACE -fsanitize=${LG_SANITIZE})
  if(LG_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(lg_flags INTERFACE -Wno-tsan)
  endif()
endif()
