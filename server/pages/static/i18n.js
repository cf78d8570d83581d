// Every word of the pages, in English and Russian, and t() to say it.
//
// Names of cases and items come from the club and are shown as they are.
import { createStore, kept } from "./store.js";

const WORDS = {
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
  "admin.page": ["Admin", "Управление"],
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

  // Money
  "balance": ["Balance", "Баланс"],
  "balance.is": ["Balance: {amount}", "Баланс: {amount}"],
  "topup": ["Top up", "Пополнить"],
  "topup.title": ["Top up the balance", "Пополнение баланса"],
  "topup.amount": ["Amount", "Сумма"],
  "topup.bad": ["Enter an amount such as 500 or 99.50.", "Введите сумму, например 500 или 99,50."],
  "topup.create": ["Continue", "Продолжить"],
  "topup.number": ["Payment", "Платёж"],
  "topup.pay": ["Pay {amount}", "Оплатить {amount}"],
  "topup.opened": [
    "The payment page opens in a new tab. The balance changes here as soon as the payment arrives.",
    "Страница оплаты открывается в новой вкладке. Баланс изменится здесь, как только платёж придёт.",
  ],
  "topup.desk": [
    "Pay {amount} at the desk and name the payment number. The balance changes here as soon as it arrives.",
    "Оплатите {amount} на стойке и назовите номер платежа. Баланс изменится здесь, как только он придёт.",
  ],
  "topup.arrived": ["The payment has arrived.", "Платёж пришёл."],
  "pay.title": ["Payment", "Оплата"],
  "pay.demo": ["A demo page in place of a payment provider's: no real money moves.", "Демонстрационная страница вместо платёжной: настоящие деньги не списываются."],
  "pay.done": ["Paid. The balance has changed already; this tab may be closed.", "Оплачено. Баланс уже изменился, вкладку можно закрыть."],

  // Cases
  "cases": ["Cases", "Кейсы"],
  "cases.none": ["No cases today. New ones appear here by themselves.", "Сегодня кейсов нет. Новые появятся здесь сами."],
  "case.look": ["Look inside", "Что внутри"],
  "case.top": ["Top prize: {name}", "Главный приз: {name}"],
  "case.inside": ["What is inside, and how likely", "Что внутри и с какими шансами"],
  "case.item": ["Prize", "Приз"],
  "case.value": ["Value", "Стоимость"],
  "case.chance": ["Chance", "Шанс"],
  "case.soldout": ["Gone for now", "Закончился"],
  "case.open": ["Open for {price}", "Открыть за {price}"],
  "case.gone": ["This case has just been taken down.", "Этот кейс только что сняли."],
  "case.missing": ["{amount} more is needed", "Не хватает {amount}"],

  // Opening
  "open.drawing": ["Drawing…", "Розыгрыш…"],
  "open.skip": ["Skip", "Пропустить"],
  "open.won": ["You won", "Вы выиграли"],
  "open.kept": ["It lies in your inventory as ticket #{id}.", "Лежит в инвентаре, билет №{id}."],
  "open.take": ["Take it", "Забрать"],
  "open.again": ["Open another", "Открыть ещё"],
  "fair.before": ["Fair draw: the seeds", "Честный розыгрыш: числа"],
  "fair.before.lead": [
    "The club's seed for your next opening is already fixed; this is its hash. Yours you may change.",
    "Число клуба для вашего следующего открытия уже выбрано; это его хеш. Своё можете поменять.",
  ],
  "fair.show": ["Check fairness", "Проверить честность"],
  "fair.lead": [
    "The club fixed its seed before you opened; yours was added after. Your browser repeats the draw:",
    "Клуб зафиксировал своё число до открытия, ваше добавилось после. Браузер повторяет розыгрыш:",
  ],
  "fair.hash": ["The seed matches its hash", "Число клуба совпадает с его хешем"],
  "fair.commitment": ["The hash is the one shown before opening", "Хеш тот же, что показан до открытия"],
  "fair.commitment.unknown": ["The hash from before opening is not known here", "Хеш до открытия здесь неизвестен"],
  "fair.commitment.used": [
    "The hash shown before belonged to another of your openings, made in between",
    "Показанный до этого хеш ушёл на другое ваше открытие, сделанное между ними",
  ],
  "fair.roll": ["The roll follows from both seeds: {roll} of {total}", "Бросок следует из обоих чисел: {roll} из {total}"],
  "fair.line": ["The roll falls on “{name}”", "Бросок попадает на «{name}»"],
  "fair.insecure": [
    "This browser checks only pages opened over https. The numbers below can be checked anywhere.",
    "Браузер считает хеши только на страницах https. Числа ниже можно проверить где угодно.",
  ],
  "fair.unreachable": ["The draw's lines could not be loaded.", "Не удалось загрузить строки розыгрыша."],
  "fair.ok": ["Confirmed", "Подтверждено"],
  "fair.bad": ["Does not match", "Не сходится"],
  "fair.serverSeed": ["Club's seed", "Число клуба"],
  "fair.serverSeedHash": ["Its SHA-256", "Его SHA-256"],
  "fair.clientSeed": ["Your seed", "Ваше число"],
  "fair.nonce": ["Opening number", "Номер открытия"],
  "fair.rollName": ["Roll", "Бросок"],

  // Inventory
  "inventory": ["Your prizes", "Ваши призы"],
  "inventory.none": ["Nothing yet. What you win lies here as a ticket.", "Пока пусто. Выигрыши ложатся сюда билетами."],
  "inventory.desk": ["Show #{id} at the counter", "Покажите №{id} на стойке"],
  "inventory.from": ["from “{name}”", "из «{name}»"],
  "inventory.desk.only": ["Collect it at the counter", "Заберите на стойке"],
  "status.won": ["Waiting for you", "Ждёт вас"],
  "status.claimed": ["Turned into money", "Обменян на деньги"],
  "status.issued": ["Handed out", "Выдан"],
  "status.cancelled": ["Cancelled", "Отменён"],
  "claim": ["Exchange for {amount}", "Обменять на {amount}"],
  "claim.title": ["Exchange for money?", "Обменять на деньги?"],
  "claim.ask": [
    "“{name}” turns into {amount} on your balance. There is no way back.",
    "«{name}» превратится в {amount} на балансе. Вернуть будет нельзя.",
  ],
  "claim.waits": ["Will be exchanged when the connection is back.", "Обменяем, как только вернётся связь."],
  "claim.done": ["{amount} added to your balance.", "{amount} зачислено на баланс."],

  // Drops and history
  "drops": ["Live drops", "Сейчас выпало"],
  "drops.none": ["Quiet so far. The next drop shows up here.", "Пока тихо. Следующий выигрыш появится здесь."],
  "drop.says": ["{user} won {item}", "{user}: {item}"],
  "history": ["History", "История"],
  "history.none": ["No movements yet.", "Движений пока нет."],
  "kind.deposit": ["Top-up", "Пополнение"],
  "kind.open": ["Case opened", "Открытие кейса"],
  "kind.claim": ["Prize exchanged", "Обмен приза"],
  "kind.admin_add": ["Added by the club", "Начислено клубом"],
  "kind.admin_subtract": ["Taken off by the club", "Списано клубом"],

  "rarity.common": ["common", "обычный"],
  "rarity.uncommon": ["uncommon", "необычный"],
  "rarity.rare": ["rare", "редкий"],
  "rarity.epic": ["epic", "эпический"],
  "rarity.legendary": ["legendary", "легендарный"],

  // Admin: cases
  "admin.new": ["New case", "Новый кейс"],
  "admin.edit": ["Edit", "Изменить"],
  "admin.delete": ["Delete", "Удалить"],
  "admin.delete.title": ["Delete “{name}”?", "Удалить «{name}»?"],
  "admin.delete.ask": [
    "Players stop seeing it at once. Prizes already won stay theirs.",
    "Игроки сразу перестанут его видеть. Уже выигранные призы останутся у них.",
  ],
  "admin.cases.none": ["No cases yet.", "Кейсов пока нет."],
  "admin.lines": ["{count} lines", "Строк: {count}"],
  "admin.return": ["Expected value {amount} ({share} of the price)", "Среднее значение {amount} ({share} цены)"],
  "edit.title.new": ["New case", "Новый кейс"],
  "edit.title": ["Case", "Кейс"],
  "edit.name": ["Name", "Название"],
  "edit.price": ["Price", "Цена"],
  "edit.image": ["Picture", "Картинка"],
  "edit.image.url": ["Address of a picture", "Адрес картинки"],
  "edit.image.none": ["No picture", "Без картинки"],
  "edit.lines": ["Prizes", "Призы"],
  "edit.value": ["Value", "Стоимость"],
  "edit.rarity": ["Rarity", "Редкость"],
  "edit.weight": ["Weight", "Вес"],
  "edit.chance": ["Chance", "Шанс"],
  "edit.stock": ["Stock", "Остаток"],
  "edit.stock.hint": ["unlimited", "без предела"],
  "edit.add": ["Add a prize", "Добавить приз"],
  "edit.remove": ["Remove line {n}", "Убрать строку {n}"],
  "edit.save": ["Save", "Сохранить"],
  "edit.changed": [
    "Someone has changed this case meanwhile. Saving replaces their version.",
    "Пока вы правили, кейс изменил кто-то другой. Сохранение заменит ту версию.",
  ],
  "edit.bad.name": ["Every prize and the case need a name.", "У кейса и каждого приза должно быть название."],
  "edit.bad.money": ["Prices and values are amounts such as 150 or 99.50.", "Цены и стоимости — суммы вроде 150 или 99,50."],
  "edit.bad.weight": ["Weights are whole numbers from 1.", "Веса — целые числа от 1."],
  "edit.bad.stock": ["Stock is a whole number, or empty for unlimited.", "Остаток — целое число или пусто, если без предела."],
  "edit.bad.lines": ["A case needs at least one prize.", "В кейсе должен быть хотя бы один приз."],

  // Admin: members, prizes, connections
  "users": ["Balances", "Балансы"],
  "users.search": ["Find a member by name", "Найти участника по имени"],
  "users.none": ["Nobody by that name.", "Никого с таким именем."],
  "users.pick": ["Choose a member from the list.", "Выберите участника из списка."],
  "users.reason": ["Reason (for the record)", "Причина (для истории)"],
  "users.add": ["Add", "Начислить"],
  "users.subtract": ["Take off", "Списать"],
  "users.done": ["{name}: balance is now {amount}.", "{name}: баланс теперь {amount}."],
  "role.member": ["player", "игрок"],
  "role.staff": ["staff", "сотрудник"],
  "role.admin": ["admin", "администратор"],
  "role.service": ["service", "сервис"],
  "prizes": ["Hand out a prize", "Выдача приза"],
  "prizes.number": ["Ticket number", "Номер билета"],
  "prizes.find": ["Find", "Найти"],
  "prizes.none": ["There is no ticket #{id}.", "Билета №{id} нет."],
  "prizes.owner": ["Player", "Игрок"],
  "prizes.won": ["Won", "Выигран"],
  "prizes.waits": ["Not handed out yet", "Ещё не выдан"],
  "prizes.issue": ["Handed out", "Выдан"],
  "prizes.cancel": ["Cancel the prize", "Отменить приз"],
  "prizes.cancel.ask": ["Ticket #{id} becomes void. There is no way back.", "Билет №{id} станет недействительным. Вернуть будет нельзя."],
  "online": ["Who is online", "Кто на связи"],
  "online.live": ["Live stream", "Прямой эфир"],
  "online.at": ["at {position}", "место {position}"],
  "online.lag": ["{count} behind", "отстаёт на {count}"],
  "online.waiting": ["{size} KB waiting", "ждёт {size} КБ"],
  "online.closed": ["before: {reason}, {time}", "до этого: {reason}, {time}"],
  "online.none": ["Nobody is connected.", "Никого нет."],
  "online.guest": ["guest", "гость"],
  "online.since": ["since {time}", "с {time}"],

  // The live page
  "live.title": ["Live stream", "Прямой эфир"],
  "live.online": ["Live via {via}", "В эфире: {via}"],
  "live.connecting": ["Connecting…", "Подключаемся…"],
  "live.waiting": ["No connection, trying again soon", "Нет связи, скоро попробуем снова"],
  "live.via.websocket": ["WebSocket", "WebSocket"],
  "live.via.event-stream": ["event stream", "event stream"],
  "live.filter": ["Filter", "Фильтр"],
  "live.filter.hint": ["words of the name or the content", "слова из названия или содержания"],
  "live.pause": ["Pause", "Пауза"],
  "live.resume": ["Go on", "Продолжить"],
  "live.clear": ["Clear", "Очистить"],
  "live.count": ["{shown} shown, {total} came since you opened the page", "Показано: {shown}, пришло с открытия страницы: {total}"],
  "live.held": ["Paused. New meanwhile: {count}", "Пауза. Новых за это время: {count}"],
  "live.told": ["New events: {count}. The last one: {type}", "Новых событий: {count}. Последнее: {type}"],
  "live.none": ["Quiet so far. What happens in the club appears here by itself.", "Пока тихо. Всё, что произойдёт в клубе, появится здесь само."],
  "live.none.match": ["Nothing matches the filter.", "Под фильтр ничего не подходит."],
  "live.durable": ["Kept in the log at {cursor}", "Сохранено в журнале: {cursor}"],
  "live.passing": ["Told once and kept nowhere", "Сообщено один раз и нигде не хранится"],

  // Errors, by the server's code. A code that is not here is shown in the server's own words.
  "error.network": ["The server cannot be reached. Try again in a moment.", "Сервер не отвечает. Повторите через минуту."],
  "error.unavailable": ["The server is not ready. Try again in a moment.", "Сервер пока не готов. Повторите через минуту."],
  "error.internal": ["Something went wrong on our side. Request {id}.", "Ошибка на нашей стороне. Запрос {id}."],
  "error.validation": ["Please check: {fields}", "Проверьте: {fields}"],
  "error.too_many_requests": ["Too many attempts. Wait {seconds} s.", "Слишком много попыток. Подождите {seconds} с."],
  "error.insufficient_balance": ["There is not enough money on the balance.", "На балансе не хватает денег."],
  "error.balance_limit": ["The balance cannot grow beyond this.", "Баланс не может стать больше."],
  "error.sold_out": ["The last prize of this case has just gone. Nothing was taken.", "Последний приз этого кейса только что ушёл. Деньги не списаны."],
  "error.case_not_found": ["This case no longer exists.", "Этого кейса больше нет."],
  "error.wrong_credentials": ["Name or password is wrong.", "Неверное имя или пароль."],
  "error.username_taken": ["This name is taken.", "Это имя занято."],
  "error.user_not_found": ["There is no such member.", "Такого участника нет."],
  "error.item_not_found": ["There is no such prize.", "Такого приза нет."],
  "error.item_not_available": ["This prize was exchanged, handed out or cancelled before.", "Этот приз уже обменян, выдан или отменён."],
  "error.item_without_value": ["This prize is handed out at the desk only.", "Этот приз выдают только на стойке."],
  "error.payment_not_found": ["There is no such payment.", "Такого платежа нет."],
  "error.unauthorized": ["Please sign in.", "Войдите, пожалуйста."],
  "error.invalid_token": ["Your session is no longer valid. Please sign in again.", "Сеанс больше не действует. Войдите снова."],
  "error.token_expired": ["Your session has ended. Please sign in again.", "Сеанс закончился. Войдите снова."],
  "error.forbidden": ["You are not allowed to do this.", "На это нет прав."],
};

const LANGS = ["en", "ru"];
const preferred = navigator.language?.toLowerCase().startsWith("ru") ? "ru" : "en";
const stored = kept.read("lang");

export const language = createStore({ lang: LANGS.includes(stored) ? stored : preferred });
export const lang = () => language.get().lang;
document.documentElement.lang = lang();

export function switchLanguage() {
  const next = lang() === "en" ? "ru" : "en";
  kept.write("lang", next);
  document.documentElement.lang = next;
  language.set({ lang: next });
}

export const knows = (key) => key in WORDS;

export function t(key, values = {}) {
  const words = WORDS[key]?.[LANGS.indexOf(lang())] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
