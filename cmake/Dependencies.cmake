# Everything that is not ours, from Debian 12 packages; docs/dependencies.md says why each.
find_package(Threads REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(PkgConfig REQUIRED)
find_path(TL_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)

# The static archive, so that the same one serves the static and the dynamic programs.
add_library(anchorhold_protobuf INTERFACE)
find_library(PROTOBUF_LITE_ARCHIVE libprotobuf-lite.a REQUIRED)
target_link_libraries(anchorhold_protobuf INTERFACE ${PROTOBUF_LITE_ARCHIVE} Threads::Threads)

# Debian ships spdlog and fmt as shared libraries only; base/log.cc and base/fmt_library.cc compile them in.
find_path(SPDLOG_INCLUDE spdlog/spdlog.h REQUIRED)
add_library(anchorhold_spdlog INTERFACE)
target_compile_definitions(anchorhold_spdlog INTERFACE SPDLOG_HEADER_ONLY SPDLOG_FMT_EXTERNAL)
target_link_libraries(anchorhold_spdlog INTERFACE Threads::Threads)
