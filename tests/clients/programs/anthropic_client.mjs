// An agent with Anthropic's SDK for Node, as its README has it.
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic();
const question = {model: 'claude-opus-4-1', max_tokens: 64, messages: [{role: 'user', content: 'count'}]};
console.log('variable', process.env.ANTHROPIC_API_KEY);
const message = await client.messages.create(question);
console.log('anthropic answered', message.content[0].text, message.usage.output_tokens);
const stream = client.messages.stream(question).on('text', text => console.log('anthropic saw', text));
const final = await stream.finalMessage();
console.log('anthropic ended', final.content[0].text, final.stop_reason);
