// The bell and its list.
export default {
  "bell": ["Notifications", "Уведомления"],
  "bell.unread": [
    { one: "Notifications: {shown} unread", other: "Notifications: {shown} unread" },
    {
      one: "Уведомления: {shown} непрочитанное",
      few: "Уведомления: {shown} непрочитанных",
      many: "Уведомления: {shown} непрочитанных",
      other: "Уведомления: {shown} непрочитанных",
    },
  ],
  "bell.told": ["New notification: {sentence}", "Новое уведомление: {sentence}"],
  "bell.none": [
    "Nothing yet. Answers, invitations, prizes and payments show up here.",
    "Пока пусто. Здесь появятся ответы, приглашения, призы и платежи.",
  ],
  "bell.broken": ["The list could not be loaded.", "Не удалось загрузить список."],
  "bell.new": ["new", "новое"],
  "bell.settings": ["Which ones I want", "Какие присылать"],
  "bell.settings.lead": [
    "What is switched off does not come into the list at all.",
    "То, что выключено, в список не попадает.",
  ],
  "bell.back": ["Back to the list", "К списку"],

  "notice.reply": ["{name} wrote in “{subject}”", "{name} пишет в «{subject}»"],
  "notice.invitation": ["You are invited: “{title}”, {when}", "Вас приглашают: «{title}», {when}"],
  "notice.event_changed": ["“{title}” was changed: {when}{where}", "Изменилось «{title}»: {when}{where}"],
  "notice.event_cancelled": ["“{title}”, {when}, is cancelled", "«{title}», {when}, отменяется"],
  "notice.reminder": ["Soon: “{title}”, {when}{where}", "Скоро: «{title}», {when}{where}"],
  "notice.promoted": ["A seat became free: you are in for “{title}”, {when}", "Место освободилось: вы в списке на «{title}», {when}"],
  "notice.payment": ["{amount} came in on your balance", "На баланс пришло {amount}"],
  "notice.prize": ["“{name}” is ready to collect, ticket #{id}", "«{name}» можно забирать, билет №{id}"],
  "notice.other": ["Something new", "Что-то новое"],

  "wanted.reply": ["Answers in dialogs", "Ответы в диалогах"],
  "wanted.invitation": ["Invitations", "Приглашения"],
  "wanted.event_changed": ["Events that move", "Изменения событий"],
  "wanted.event_cancelled": ["Cancelled events", "Отмена событий"],
  "wanted.reminder": ["Reminders before the start", "Напоминания перед началом"],
  "wanted.promoted": ["A seat from the waiting list", "Место из листа ожидания"],
  "wanted.payment": ["Payments", "Платежи"],
  "wanted.prize": ["Prizes to collect", "Призы к выдаче"],
};
