// Short messages at the edge of the page.
import { signal } from "@preact/signals";

const messages = signal([]);
let last = 0;

export function tell(text) {
  const id = ++last;
  messages.value = [...messages.value.slice(-2), { id, text }];
  setTimeout(() => (messages.value = messages.value.filter((message) => message.id !== id)), 6000);
}

export const Toasts = () => (
  <div class="toasts" role="status" aria-live="polite">
    {messages.value.map(({ id, text }) => (
      <div key={id} class="toast">
        {text}
      </div>
    ))}
  </div>
);
