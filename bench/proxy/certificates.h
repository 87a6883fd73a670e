// Keys and certificates for one run of the bench: made anew, thrown away with its folder.
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold::bench {

// PEM files below one folder. Origin and peers use the same leaf, for kBenchHost; P-256, because
// that is what the window's own leaves are.
struct BenchCertificates {
    std::string authority;  // who signed the leaf
    std::string chain;      // the leaf
    std::string key;
    std::string both;  // leaf and key in one file, as haproxy wants it
};

constexpr const char* kBenchHost = "bench.example";
// The same address under a name that no credential is bound to.
constexpr const char* kBulkHost = "bulk.example";

Result<BenchCertificates> make_bench_certificates(const std::string& folder);

}  // namespace anchorhold::bench
