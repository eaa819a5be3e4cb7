// The dialog that asks for the key of the server.
import { make } from "./dom.js";

let open = null;

/** Return the key that is typed in. Requests that ask at the same time share one dialog. */
export function askForKey(wasWrong) {
  open ??= show(wasWrong).finally(() => {
    open = null;
  });
  return open;
}

function show(wasWrong) {
  const field = make("input", {
    id: "key-field",
    type: "password",
    autocomplete: "off",
    "aria-describedby": "key-note",
    "aria-invalid": String(wasWrong),
  });
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "key-title" }, "Key"),
    make(
      "p",
      { class: "quiet" },
      "This server asks for a key. It stays in this tab, and is gone when you close or reload it.",
    ),
    make("div", { class: "field" }, make("label", { for: "key-field" }, "Key"), field),
    make(
      "p",
      { id: "key-note", class: "problem", role: "alert" },
      wasWrong ? "That key is not the one the server expects." : "",
    ),
    make("button", { type: "submit", class: "primary" }, "Continue"),
  );
  // without a key nothing works: what Escape closes is opened again
  const again = () => dialog.showModal();
  const dialog = make("dialog", { id: "key", "aria-labelledby": "key-title", close: again }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = field.value.trim();
      if (!typed) return field.focus();
      dialog.remove();
      return resolve(typed);
    });
  });
}
