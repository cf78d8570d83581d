// What every page says: the bar, the connection, the sign-in.
export default {
  // The frame
  "title.player": ["CyberHub", "CyberHub"],
  "title.live": ["CyberHub · live", "CyberHub · прямой эфир"],
  "title.admin": ["CyberHub · admin", "CyberHub · управление"],
  "lang.other": ["Русский", "English"],
  "sign.out": ["Sign out", "Выйти"],
  "close": ["Close", "Закрыть"],
  "cancel": ["Cancel", "Отмена"],
  "loading": ["Loading…", "Загрузка…"],
  "more": ["Show more", "Показать ещё"],
  "skip.to": ["To the content", "К содержанию"],
  "nav": ["Pages", "Страницы"],
  "nav.club": ["Club", "Клуб"],
  "nav.admin": ["Admin", "Управление"],
  "player.page": ["Player page", "Страница игрока"],

  // The connection
  "link.online": ["Connected: {transport}", "Связь есть: {transport}"],
  "link.reconnecting": ["Reconnecting…", "Восстанавливаем связь…"],
  "link.reconnecting.in": ["Reconnecting in {seconds} s…", "Восстанавливаем связь через {seconds} с…"],
  "link.offline": ["No connection", "Нет связи"],
  "transport.websocket": ["WebSocket", "WebSocket"],
  "transport.polling": ["polling", "polling"],
  "transport.updates": ["updates (long polling)", "updates (long polling)"],
  "wait.short": ["waiting for the connection", "ждём связь"],
  "wait.banner": [
    "No connection. You see what was last known; buttons wait until it is back.",
    "Нет связи. Вы видите последние известные данные; кнопки заработают, когда она вернётся.",
  ],
  "wait.since": ["As of {time}.", "По состоянию на {time}."],
  "retry.now": ["Try now", "Повторить"],

  // Sign-in
  "sign.title": ["Take a seat", "Займите место"],
  "sign.lead": [
    "Cases with open odds, prizes from the counter, results the second they happen.",
    "Кейсы с открытыми шансами, призы со стойки, результат в ту же секунду.",
  ],
  "sign.username": ["Name", "Имя"],
  "sign.password": ["Password", "Пароль"],
  "sign.in": ["Sign in", "Войти"],
  "sign.register": ["Register", "Зарегистрироваться"],
  "sign.rules": [
    "To register: a name of 3 to 32 letters of one alphabet, digits, “_”, “.” or “-”, and a password of at least 8 characters.",
    "Для регистрации: имя от 3 до 32 букв одного алфавита, цифр, «_», «.» или «-»; пароль: не короче 8 символов.",
  ],
  "sign.ended": ["Your session has ended. Please sign in again.", "Сеанс закончился. Войдите снова."],
  "sign.to.open": ["Sign in to open", "Войдите, чтобы открыть"],
  "sign.admin": ["Behind the counter", "За стойкой"],
  "sign.admin.lead": ["For the club's administrators.", "Для администраторов клуба."],
  "denied.member": [
    "{name}, this page is for the club's administrators. Your account is a player's.",
    "{name}, эта страница для администраторов клуба. У вас учётная запись игрока.",
  ],
  "denied.staff": [
    "You are signed in as staff: prizes and who is online are yours; cases and balances are the administrators'.",
    "Вы вошли как сотрудник: вам доступны призы и список подключений; кейсы и балансы меняют администраторы.",
  ],
};
