// The part of the window that drives credentials, reduced to its calls.
#include "credential_bench.h"

#include <algorithm>

namespace anchorhold::proxy {

proto::Binding& CredentialBench::bind(const std::string& secret, uint32_t document) {
    proto::Binding& binding = *policy.add_bindings();
    binding.set_id("doc" + std::to_string(document) + "/credential/" +
                   std::to_string(policy.bindings_size()));
    binding.mutable_origin()->set_document(document);
    binding.set_secret(secret);
    binding.add_hosts()->set_exact(std::string(kHost));
    binding.add_ports(443);
    return binding;
}

proto::Binding& CredentialBench::bind_header(const std::string& secret, const std::string& header,
                                             const std::string& format, uint32_t document) {
    proto::Binding& binding = bind(secret, document);
    binding.set_header(header);
    binding.set_format(format);
    return binding;
}

void CredentialBench::add_secret(const std::string& name, const std::string& value,
                                 const std::string& placeholder) {
    ASSERT_TRUE(store_.add(name, value, placeholder));
}

Credentials& CredentialBench::credentials() {
    if (!credentials_) {
        auto made = Credentials::create(policy, std::move(store_));
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        credentials_.emplace(std::move(*made));
    }
    return *credentials_;
}

std::string CredentialBench::Outcome::header(std::string_view name) const {
    std::string all;
    for (const Field& field : head.fields) {
        if (field.name == name) {
            all += (all.empty() ? "" : " | ") + field.value;
        }
    }
    return all;
}

CredentialBench::Outcome CredentialBench::request(const Sent& sent) {
    std::vector<const proto::Binding*> bindings;
    policy::Decision decision;
    rules_.push_back(std::make_unique<proto::Rule>());
    rules_.back()->mutable_origin()->set_document(sent.document);
    decision.rule = rules_.back().get();
    decision.verdict = policy::Verdict::allow;
    for (const proto::Binding& binding : policy.bindings()) {
        if (binding.hosts(0).exact() == sent.host) {
            bindings.push_back(&binding);
            if (binding.origin().document() == sent.document) {
                decision.bindings.push_back(&binding);
            }
        }
    }
    Outcome outcome;
    outcome.head = {sent.method, sent.host, sent.target, "", sent.fields};
    const Destination destination{sent.host, 443, sent.protocol, bindings};
    outcome.use = std::make_unique<CredentialUse>(credentials(), destination, outcome.head);
    const size_t first =
        sent.piece == 0 ? sent.body.size() : std::min(sent.piece, sent.body.size());
    std::string piece = sent.body.substr(0, first);
    outcome.refused = outcome.use->apply(outcome.head, piece,
                                         sent.piece == 0 ? BodyExtent::whole : BodyExtent::part,
                                         sent.body.size(), decision);
    outcome.body = piece;
    for (size_t at = first; at < sent.body.size() && !outcome.refused; at += sent.piece) {
        piece = sent.body.substr(at, sent.piece);
        outcome.refused = outcome.use->request_body(piece);
        outcome.body += piece;
    }
    Fields trailers;
    if (!outcome.refused) {
        outcome.refused = outcome.use->request_end(piece, trailers);
        outcome.body += piece;
    }
    return outcome;
}

CredentialBench::Seen CredentialBench::answer(Outcome& outcome, const Answer& answer) {
    Seen seen;
    seen.head = {answer.status, answer.fields};
    outcome.use->answer(seen.head);
    const size_t step = outcome.use->answer_needed() != 0 || answer.piece == 0
                            ? std::max<size_t>(answer.body.size(), 1)
                            : answer.piece;
    for (size_t at = 0; at < answer.body.size() && !seen.refused; at += step) {
        std::string piece = answer.body.substr(at, step);
        seen.refused = outcome.use->answer_body(piece);
        seen.body += piece;
    }
    std::string rest;
    Fields trailers;
    if (!seen.refused) {
        seen.refused = outcome.use->answer_end(rest, trailers);
        seen.body += rest;
    }
    return seen;
}

}  // namespace anchorhold::proxy
