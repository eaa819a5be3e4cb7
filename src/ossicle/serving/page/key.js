// The dialog that asks for the key of the server.
import { at } from "./dom.js";

let open = null;

/** Return the key that is typed in. Requests that ask at the same time share one dialog. */
export function askForKey(wasWrong) {
  open ??= show(wasWrong).finally(() => {
    open = null;
  });
  return open;
}

function show(wasWrong) {
  const [dialog, field, note] = [at("key"), at("key-field"), at("key-note")];
  note.textContent = wasWrong ? "That key is not the one the server expects." : "";
  field.setAttribute("aria-invalid", String(wasWrong));
  field.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    // without a key nothing works, so Escape does not close the dialog
    dialog.oncancel = (event) => event.preventDefault();
    at("key-form").onsubmit = (event) => {
      event.preventDefault();
      if (!field.value.trim()) return field.focus();
      const typed = field.value.trim();
      field.value = "";
      dialog.close();
      return resolve(typed);
    };
  });
}
