// An agent with OpenAI's SDK for Node, as its README has it.
import OpenAI from 'openai';

const client = new OpenAI();
const question = {model: 'gpt-4.1', messages: [{role: 'user', content: 'count'}]};
console.log('variable', process.env.OPENAI_API_KEY);
const answer = await client.chat.completions.create(question);
console.log('openai answered', answer.choices[0].message.content, answer.usage.completion_tokens);
let words = '', reason;
for await (const chunk of await client.chat.completions.create({...question, stream: true})) {
  reason = chunk.choices[0]?.finish_reason;
  if (chunk.choices[0]?.delta?.content) {
    words += chunk.choices[0].delta.content;
    console.log('openai saw', chunk.choices[0].delta.content);
  }
}
console.log('openai ended', words, reason);
