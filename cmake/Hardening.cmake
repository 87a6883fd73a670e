# Warnings that are errors, and the hardening every binary gets.
add_library(anchorhold_flags INTERFACE)
target_compile_options(anchorhold_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Wsuggest-override -Werror
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fno-plt
  -ffunction-sections -fdata-sections)
target_compile_definitions(anchorhold_flags INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(anchorhold_flags INTERFACE
  -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--build-id=sha1)

# One debug-info compression and no machine path in what we ship.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

if(ANCHORHOLD_SANITIZE)
  add_compile_options(-fsanitize=${ANCHORHOLD_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  # g++ loses track of what coroutines initialise when it instruments them.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${ANCHORHOLD_SANITIZE})
  set(ANCHORHOLD_STATIC OFF)
else()
  # FORTIFY_SOURCE needs an optimiser; Debug builds of this tree use -Og.
  target_compile_definitions(anchorhold_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:_FORTIFY_SOURCE=3>)
endif()

if(ANCHORHOLD_FUZZ)
  # Coverage of the layers, not only of the fuzz targets themselves.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
