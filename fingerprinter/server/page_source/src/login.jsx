// Asks for the token that `fingerprinter serve` printed.
import { useState } from "preact/hooks";
import { signIn } from "./api.js";

export function Login() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const send = async (event) => {
    event.preventDefault();
    try {
      await signIn(token.trim());
    } catch (error) {
      setProblem(error.message);
    }
  };
  return (
    <main class="login">
      <form class="card stack" onSubmit={send}>
        <div class="row">
          <img src="icon.svg" alt="" width="40" height="40" />
          <h1>fingerprinter</h1>
        </div>
        <p class="dim">This library asks for the token that “fingerprinter serve” printed at its first start.</p>
        <label class="field">
          <span class="hidden-label">Token</span>
          <input
            type="password"
            autocomplete="current-password"
            placeholder="Token"
            value={token}
            onInput={(event) => setToken(event.target.value)}
          />
        </label>
        {problem && (
          <p class="small" role="alert" style={{ color: "var(--warn)" }}>
            {problem}
          </p>
        )}
        <button class="button primary" disabled={!token.trim()}>
          Open the library
        </button>
      </form>
    </main>
  );
}
