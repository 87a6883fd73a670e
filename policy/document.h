// One policy document: a YAML file as rules, credentials and limits. docs/policy.md describes the
// format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// How a grant's limit meets another grant's of the same kind, hosts and window.
enum class LimitMerge {
    refuse,   // an error
    minimum,  // `merge: min`: the smaller one counts
};

struct DocumentLimit {
    proto::Limit limit;
    LimitMerge merge = LimitMerge::refuse;
};

// Origins name document 0; compose() numbers them anew.
struct Document {
    proto::PolicyDocument info;
    std::vector<proto::Rule> rules;
    std::vector<proto::Binding> bindings;
    std::vector<DocumentLimit> limits;
};

// `file` is for messages and origins; a document without a name takes the file's without ".yaml".
// Errors are one line that begins with "file:line:column: ".
Result<Document> parse_document(std::string_view text, std::string_view file);

// A file of at most 256 KiB.
Result<Document> load_document(const std::string& path);

}  // namespace anchorhold::policy
